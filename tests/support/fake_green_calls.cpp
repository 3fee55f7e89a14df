// The division of a device, and green contexts.
#include "support/fake_driver_calls.hpp"

#include <algorithm>
#include <cstring>

namespace greenlane::fake {
namespace {

constexpr std::uint32_t kMagic = 0x60EE;

CUdevResource make_resource(ResourceTag tag, int sms) {
  CUdevResource resource{};
  resource.type = CU_DEV_RESOURCE_TYPE_SM;
  resource.sm.smCount = static_cast<unsigned int>(sms);
  tag.magic = kMagic;
  static_assert(sizeof tag <= sizeof resource._internal_padding);
  std::memcpy(resource._internal_padding, &tag, sizeof tag);
  return resource;
}

// Returns magic 0 if the fake did not give out the resource.
ResourceTag tag_of(const CUdevResource& resource) {
  ResourceTag tag;
  std::memcpy(&tag, resource._internal_padding, sizeof tag);
  return resource.type == CU_DEV_RESOURCE_TYPE_SM && tag.magic == kMagic ? tag : ResourceTag{};
}

struct Division {
  int groups = 0;
  int group_sms = 0;
};

Division divide(const Gpu& gpu, unsigned int minimum) {
  const int steps = (static_cast<int>(minimum) + gpu.group - 1) / gpu.group;
  return {.groups = gpu.whole_groups / steps, .group_sms = gpu.group * steps};
}

}  // namespace

CUresult fake_cuDeviceGetDevResource(CUdevice device, CUdevResource* resource, CUdevResourceType type) {
  return call("cuDeviceGetDevResource", [&](State& s) {
    const Gpu* gpu = gpu_of(s, device);
    if (!gpu || type != CU_DEV_RESOURCE_TYPE_SM)
      return s.violate("an unknown resource asked for", CUDA_ERROR_INVALID_VALUE);
    return *resource = make_resource({.device = device}, gpu->sms), CUDA_SUCCESS;
  });
}

CUresult fake_cuDevSmResourceSplitByCount(CUdevResource* groups, unsigned int* count, const CUdevResource* input,
                                          CUdevResource* remainder, unsigned int flags, unsigned int minimum) {
  return call("cuDevSmResourceSplitByCount", [&](State& s) {
    const ResourceTag tag = tag_of(*input);
    if (tag.magic == 0 || tag.split != 0) return s.violate("a split of what is no device", CUDA_ERROR_INVALID_VALUE);
    if (flags != 0) return s.violate("a split that ignores co-scheduling", CUDA_ERROR_INVALID_VALUE);
    const Gpu& gpu = *gpu_of(s, tag.device);
    if (minimum < static_cast<unsigned int>(gpu.group)) return CUDA_ERROR_INVALID_VALUE;
    const auto [whole, group_sms] = divide(gpu, minimum);
    if (!groups) return *count = static_cast<unsigned int>(whole + gpu.promised_too_many), CUDA_SUCCESS;
    const int made = std::min(whole, static_cast<int>(*count));
    const int split = s.next_split++;
    for (int i = 0; i < made; ++i) {
      groups[i] = make_resource({.device = tag.device, .first_sm = i * group_sms, .split = split}, group_sms);
    }
    const int used = made * group_sms;
    if (remainder && used < gpu.sms) {
      *remainder = make_resource({.device = tag.device, .first_sm = used, .split = split}, gpu.sms - used);
    } else if (remainder) {
      *remainder = {};
    }
    return *count = static_cast<unsigned int>(made), CUDA_SUCCESS;
  });
}

CUresult fake_cuDevResourceGenerateDesc(CUdevResourceDesc* description, CUdevResource* resources, unsigned int count) {
  return call("cuDevResourceGenerateDesc", [&](State& s) {
    if (count == 0) return s.violate("a description of nothing", CUDA_ERROR_INVALID_VALUE);
    const ResourceTag first = tag_of(resources[0]);
    GreenContext green{.device = first.device, .sms = {}};
    for (unsigned int i = 0; i < count; ++i) {
      const ResourceTag tag = tag_of(resources[i]);
      if (tag.magic == 0 || tag.split == 0 || tag.split != first.split) {
        return s.violate("a description of resources that are not of one split", CUDA_ERROR_INVALID_VALUE);
      }
      for (int sm = 0; sm < static_cast<int>(resources[i].sm.smCount); ++sm) green.sms.push_back(tag.first_sm + sm);
    }
    std::ranges::sort(green.sms);
    if (std::ranges::adjacent_find(green.sms) != green.sms.end()) {
      return s.violate("a description that names a group twice", CUDA_ERROR_INVALID_VALUE);
    }
    *description = s.new_handle<CUdevResourceDesc>();
    s.descriptions[*description] = std::move(green);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGreenCtxCreate(CUgreenCtx* green, CUdevResourceDesc description, CUdevice device, unsigned int flags) {
  return call("cuGreenCtxCreate", [&](State& s) {
    const auto found = s.descriptions.find(description);
    if (found == s.descriptions.end() || found->second.device != device || flags != CU_GREEN_CTX_DEFAULT_STREAM) {
      return s.violate("cuGreenCtxCreate with wrong arguments", CUDA_ERROR_INVALID_VALUE);
    }
    *green = s.new_handle<CUgreenCtx>();
    s.greens[*green] = found->second;
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGreenCtxDestroy(CUgreenCtx green) {
  const auto destroy = [&](State& s) {
    if (s.greens.erase(green) == 0) return s.violate("an unknown green context destroyed", CUDA_ERROR_INVALID_CONTEXT);
    if (std::ranges::any_of(s.streams, [&](const auto& entry) { return entry.second.green == green; })) {
      return s.violate("a green context destroyed before its streams", CUDA_ERROR_INVALID_CONTEXT);
    }
    return CUDA_SUCCESS;
  };
  return call("cuGreenCtxDestroy", destroy, Effect::release);
}

CUresult fake_cuStreamGetGreenCtx(CUstream stream, CUgreenCtx* green) {
  return call("cuStreamGetGreenCtx", [&](State& s) {
    const Stream* found = s.find(stream, std::max(s.current_device(), 0));
    if (!found) return CUDA_ERROR_INVALID_HANDLE;
    return *green = found->green, CUDA_SUCCESS;
  });
}

// A green context's handle is also the handle of its context.
CUresult fake_cuCtxFromGreenCtx(CUcontext* context, CUgreenCtx green) {
  return call("cuCtxFromGreenCtx", [&](State& s) {
    if (!s.greens.contains(green)) return s.violate("an unknown green context asked", CUDA_ERROR_INVALID_CONTEXT);
    return *context = reinterpret_cast<CUcontext>(green), CUDA_SUCCESS;
  });
}

CUresult fake_cuGreenCtxGetId(CUgreenCtx green, unsigned long long* id) {
  return call("cuGreenCtxGetId", [&](State& s) {
    if (!s.greens.contains(green)) return s.violate("an unknown green context asked", CUDA_ERROR_INVALID_CONTEXT);
    return *id = reinterpret_cast<std::uintptr_t>(green), CUDA_SUCCESS;
  });
}

CUresult fake_cuGreenCtxGetDevResource(CUgreenCtx green, CUdevResource* resource, CUdevResourceType type) {
  return call("cuGreenCtxGetDevResource", [&](State& s) {
    const auto found = s.greens.find(green);
    if (found == s.greens.end() || type != CU_DEV_RESOURCE_TYPE_SM)
      return s.violate("an unknown green context asked", CUDA_ERROR_INVALID_CONTEXT);
    return *resource = make_resource({.device = found->second.device}, static_cast<int>(found->second.sms.size())),
           CUDA_SUCCESS;
  });
}

CUresult fake_cuGreenCtxStreamCreate(CUstream* stream, CUgreenCtx green, unsigned int flags, int priority) {
  return call("cuGreenCtxStreamCreate", [&](State& s) {
    const auto found = s.greens.find(green);
    if (found == s.greens.end() || flags != CU_STREAM_NON_BLOCKING) {
      return s.violate("cuGreenCtxStreamCreate with wrong arguments", CUDA_ERROR_INVALID_VALUE);
    }
    *stream = s.add_stream({.device = found->second.device, .green = green, .priority = priority, .clock = {}});
    return CUDA_SUCCESS;
  });
}

}  // namespace greenlane::fake
