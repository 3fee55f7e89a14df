# Doxygen's view of a public header, which stays plain text. No line is added: warnings name the header's own lines.
# The comment above `#pragma once` describes the file.
1,/^#pragma once/ {
  s|^//( .*)?$|///\1|
  s|^#pragma once|/// \\file|
}
# The label of a contract becomes the heading of its paragraph.
s/^( *\/\/\/) (Throws|Thread safety|Stream order|Lifetime|Returns|Units|Capture|Forks|Limits|Null): /\1 \\contract{\2} /
# Inherited constructors and comparisons that the compiler writes need no words.
s/^  using Error::Error;//
s/^  friend .*operator.*= default;//
# Nor do private members, which are no part of the reference.
/^ private:/,/^\};/ { /^\};/! s/.*// }
/^   private:/,/^  \};/ { /^  \};/! s/.*// }
