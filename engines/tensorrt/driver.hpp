// The CUDA driver, loaded when it is needed: `libcuda.so.1` comes with the GPU's driver and is absent without one.
// Only the driver, and not CUDA's runtime library, which would be one more version to match.
#pragma once

#include <cuda.h>
#include <dlfcn.h>

#include <mutex>
#include <stdexcept>
#include <string>

namespace cartvision {

// What failed, for a person.
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// cuda.h renames functions to their newest version, so a name is spelled after that.
#define CVT_SPELLED(name) #name
#define CVT_NAME(name) CVT_SPELLED(name)
#define CVT_DRIVER(X)                                                                                                  \
    X(cuInit)                                                                                                          \
    X(cuDriverGetVersion)                                                                                              \
    X(cuGetErrorString)                                                                                                \
    X(cuDeviceGetCount)                                                                                                \
    X(cuDeviceGet)                                                                                                     \
    X(cuDeviceGetName)                                                                                                 \
    X(cuDeviceGetAttribute)                                                                                            \
    X(cuDeviceTotalMem)                                                                                                \
    X(cuDevicePrimaryCtxRetain)                                                                                        \
    X(cuCtxSetCurrent)                                                                                                 \
    X(cuMemAlloc)                                                                                                      \
    X(cuMemFree)                                                                                                       \
    X(cuMemHostAlloc)                                                                                                  \
    X(cuMemFreeHost)                                                                                                   \
    X(cuMemHostGetDevicePointer)                                                                                       \
    X(cuMemcpyHtoDAsync)                                                                                               \
    X(cuMemcpyDtoHAsync)                                                                                               \
    X(cuStreamCreate)                                                                                                  \
    X(cuStreamDestroy)                                                                                                 \
    X(cuStreamSynchronize)                                                                                             \
    X(cuStreamBeginCapture)                                                                                            \
    X(cuStreamEndCapture)                                                                                              \
    X(cuGraphInstantiateWithFlags)                                                                                     \
    X(cuGraphLaunch)                                                                                                   \
    X(cuGraphExecDestroy)                                                                                              \
    X(cuGraphDestroy)

class Driver {
public:
#define CVT_POINTER(name) decltype(&::name) name = nullptr;
    CVT_DRIVER(CVT_POINTER)
#undef CVT_POINTER

    // The one driver of this process, started: the first GPU's primary context is made, which TensorRT uses too. Kept
    // until the process ends: a driver does not like to be torn down by static destructors.
    static Driver &started() {
        static Driver driver;
        static std::mutex starting;
        std::lock_guard<std::mutex> const guard(starting);
        if (driver.context == nullptr) {
            driver.start();
        }
        return driver;
    }

    // The context belongs to a thread; whoever calls may be another one each time.
    void enter() const { check(cuCtxSetCurrent(context), "taking the GPU"); }

    void check(CUresult result, char const *doing) const {
        if (result == CUDA_SUCCESS) {
            return;
        }
        char const *why = nullptr;
        if (cuGetErrorString == nullptr || cuGetErrorString(result, &why) != CUDA_SUCCESS || why == nullptr) {
            why = "no description";
        }
        throw Failure("CUDA failed while " + std::string(doing) + ": " + why + " (" + std::to_string(result) + ")");
    }

    int attribute(CUdevice_attribute which) const {
        int value = 0;
        check(cuDeviceGetAttribute(&value, which, device), "asking for the GPU's properties");
        return value;
    }

    CUdevice device = 0;
    CUcontext context = nullptr;

private:
    void start() {
        void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            throw Failure("there is no NVIDIA driver: libcuda.so.1 cannot be loaded (" + std::string(dlerror()) + ")");
        }
#define CVT_LOAD(name) load(library, CVT_NAME(name), name);
        CVT_DRIVER(CVT_LOAD)
#undef CVT_LOAD
        check(cuInit(0), "starting the NVIDIA driver");
        int count = 0;
        check(cuDeviceGetCount(&count), "counting GPUs");
        if (count == 0) {
            throw Failure("the NVIDIA driver is there, but no GPU");
        }
        check(cuDeviceGet(&device, 0), "opening the first GPU");
        CUcontext made = nullptr;
        check(cuDevicePrimaryCtxRetain(&made, device), "opening the first GPU");
        context = made;
    }

    template <class Function> void load(void *library, char const *name, Function &function) {
        function = reinterpret_cast<Function>(dlsym(library, name));
        if (function == nullptr) {
            throw Failure("the NVIDIA driver is too old: it has no " + std::string(name));
        }
    }
};

} // namespace cartvision
