# The interpreter whose PyTorch is used: the interpreter of a wheel build, else the project's .venv, else the first on
# the PATH.
if(NOT GREENLANE_PYTHON)
  if(SKBUILD AND Python_EXECUTABLE)
    set(GREENLANE_PYTHON ${Python_EXECUTABLE} CACHE FILEPATH "Python interpreter whose PyTorch greenlane is built against")
  elseif(EXISTS ${PROJECT_SOURCE_DIR}/.venv/bin/python AND PROJECT_IS_TOP_LEVEL)
    set(GREENLANE_PYTHON ${PROJECT_SOURCE_DIR}/.venv/bin/python CACHE FILEPATH "Python interpreter whose PyTorch greenlane is built against")
  else()
    find_program(GREENLANE_PYTHON NAMES python3 python REQUIRED DOC "Python interpreter whose PyTorch greenlane is built against")
  endif()
endif()

# greenlane_python_find(<variable> <relative path>...): sets the first of the paths that exists in a folder where that
# interpreter finds packages. The interpreter's site folder is searched too, because pip's isolated builds hide its
# packages from sys.path, and the libraries must match the PyTorch beside which they will be loaded.
function(greenlane_python_find variable)
  execute_process(
    COMMAND ${GREENLANE_PYTHON} -c "import sys, sysconfig; print(';'.join(dict.fromkeys([sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), *filter(None, sys.path)])))"
    OUTPUT_VARIABLE folders OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  foreach(folder IN LISTS folders)
    foreach(relative IN LISTS ARGN)
      if(EXISTS ${folder}/${relative})
        set(${variable} ${folder}/${relative} PARENT_SCOPE)
        return()
      endif()
    endforeach()
  endforeach()
  set(${variable} "" PARENT_SCOPE)
endfunction()
