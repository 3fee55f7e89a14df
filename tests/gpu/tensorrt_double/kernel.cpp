#include "kernel.hpp"

#include <map>
#include <mutex>

namespace tensorrt_double {
namespace {

constexpr unsigned kThreads = 32;

// Everything but `where` is read and written after the hold. Tests can therefore see memory of an input that is given
// away too early, and an output that is read too early.
constexpr const char* kPtx = R"(
.version 7.0
.target sm_80
.address_size 64

.visible .entry run(
  .param .u64 p_where, .param .u64 p_twice, .param .u64 p_input, .param .u64 p_scratch, .param .u64 p_count,
  .param .u64 p_elements, .param .u64 p_limit, .param .u64 p_hold, .param .u32 p_first, .param .u32 p_step, .param .u32 p_all)
{
  .reg .pred %leader, %one, %waiting, %done, %counts;
  .reg .b32 %block, %thread, %first, %step, %all, %sm, %before, %after, %index;
  .reg .b64 %where, %twice, %input, %scratch, %count, %elements, %hold, %start, %now, %i, %stride, %offset, %address;
  .reg .f32 %value;

  mov.u32 %block, %ctaid.x;
  mov.u32 %thread, %tid.x;
  ld.param.u32 %first, [p_first];
  ld.param.u32 %step, [p_step];
  ld.param.u32 %all, [p_all];
  mad.lo.u32 %block, %block, %step, %first;
  setp.eq.u32 %leader, %thread, 0;
  mad.lo.u32 %index, %block, 32, %thread;
  setp.eq.u32 %one, %index, 0;

  ld.param.u64 %scratch, [p_scratch];
  mov.u32 %before, 0;
  @%one ld.volatile.global.u32 %before, [%scratch];

  ld.param.u64 %hold, [p_hold];
  mov.u64 %start, %globaltimer;
HOLD:
  mov.u64 %now, %globaltimer;
  sub.u64 %now, %now, %start;
  setp.lt.u64 %waiting, %now, %hold;
  @%waiting bra HOLD;

  ld.param.u64 %where, [p_where];
  mul.wide.u32 %offset, %block, 4;
  add.u64 %address, %where, %offset;
  mov.u32 %sm, %smid;
  @%leader st.global.u32 [%address], %sm;

  ld.param.u64 %twice, [p_twice];
  ld.param.u64 %input, [p_input];
  ld.param.u64 %elements, [p_elements];
  ld.param.u64 %address, [p_limit];
  ld.volatile.global.u32 %after, [%address];
  cvt.u64.u32 %offset, %after;
  min.u64 %elements, %elements, %offset;
  cvt.u64.u32 %i, %index;
  mul.wide.u32 %stride, %all, 32;
COPY:
  setp.ge.u64 %done, %i, %elements;
  @%done bra COPIED;
  shl.b64 %offset, %i, 2;
  add.u64 %address, %input, %offset;
  ld.volatile.global.f32 %value, [%address];
  add.f32 %value, %value, %value;
  add.u64 %address, %twice, %offset;
  st.global.f32 [%address], %value;
  add.u64 %i, %i, %stride;
  bra COPY;
COPIED:
  @!%one bra END;
  add.u32 %after, %before, 1;
  st.global.u32 [%scratch], %after;
  ld.param.u64 %count, [p_count];
  setp.ne.u64 %counts, %count, 0;
  @%counts st.global.u32 [%count], %after;
END:
  ret;
}
)";

}  // namespace

CUfunction kernel() {
  static std::mutex mutex;
  static std::map<CUcontext, CUfunction> functions;
  auto* const context = current_context();
  const std::scoped_lock lock(mutex);
  auto& function = functions[context];
  if (function == nullptr) {
    CUmodule module = nullptr;
    check(driver().cuModuleLoadData(&module, kPtx), "cuModuleLoadData");
    check(driver().cuModuleGetFunction(&function, module, "run"), "cuModuleGetFunction");
  }
  return function;
}

void launch(CUfunction function, CUstream stream, std::uint32_t blocks, KernelArguments arguments) {
  auto& a = arguments;
  void* parameters[] = {&a.where, &a.twice, &a.input, &a.scratch, &a.count, &a.elements,
                        &a.limit, &a.hold,  &a.first, &a.step,    &a.all};
  check(driver().cuLaunchKernel(function, blocks, 1, 1, kThreads, 1, 1, 0, stream, parameters, nullptr),
        "cuLaunchKernel");
}

}  // namespace tensorrt_double
