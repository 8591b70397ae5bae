#include "shim.h"

#include "driver.hpp"

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

// TensorRT-RTX counts its versions by itself.
#ifdef TRT_MAJOR_RTX
#define CVT_PRODUCT "TensorRT-RTX"
#define CVT_LIBRARY "libtensorrt_rtx.so." CVT_NAME(NV_TENSORRT_MAJOR)
#define CVT_PARSER "libtensorrt_onnxparser_rtx.so." CVT_NAME(NV_TENSORRT_MAJOR)
#define CVT_RTX 1
#define CVT_ALWAYS_TYPED (NV_TENSORRT_MAJOR > 1 || NV_TENSORRT_MINOR >= 5)
#else
#define CVT_PRODUCT "TensorRT"
#define CVT_LIBRARY "libnvinfer.so." CVT_NAME(NV_TENSORRT_MAJOR)
#define CVT_PARSER "libnvonnxparser.so." CVT_NAME(NV_TENSORRT_MAJOR)
#define CVT_RTX 0
#define CVT_ALWAYS_TYPED (NV_TENSORRT_MAJOR >= 11)
#endif
#define CVT_BUILT_FOR                                                                                                  \
    CVT_PRODUCT " " CVT_NAME(NV_TENSORRT_MAJOR) "." CVT_NAME(NV_TENSORRT_MINOR) "." CVT_NAME(NV_TENSORRT_PATCH)

// What `engines/src/tensorrt/shim.rs` lays out the same way.
static_assert(sizeof(cvt_device) == 160 && sizeof(cvt_plan) == 48 && sizeof(cvt_port) == 224, "see shim.rs");

using cartvision::Driver;
using cartvision::Failure;
using nvinfer1::DataType;

namespace {

// TensorRT does not take an engine that was built before.
struct Refused : Failure {
    using Failure::Failure;
};

// What TensorRT says. Its errors are kept for the sentence that a failure becomes.
class Log final : public nvinfer1::ILogger {
public:
    void log(Severity severity, nvinfer1::AsciiChar const *message) noexcept override {
        if (severity > Severity::kERROR || message == nullptr) {
            return;
        }
        try {
            std::lock_guard<std::mutex> const guard(mutex_);
            // The first says what happened; the rest follow from it.
            if (said_.empty()) {
                said_ = message;
            }
        } catch (...) { // out of memory: then it goes unsaid
        }
    }

    // What was said since the last time.
    std::string take() {
        std::lock_guard<std::mutex> const guard(mutex_);
        std::string said = std::move(said_);
        said_.clear();
        return said.empty() ? "it does not say why" : said;
    }

private:
    std::mutex mutex_;
    std::string said_;
};

// Passes progress on. TensorRT calls from several threads at a time; whoever listens is called by one.
class Progress final : public nvinfer1::IProgressMonitor {
public:
    explicit Progress(cvt_plan const &plan) : plan_(plan) {}

    void phaseStart(char const *phase, char const *, int32_t steps) noexcept override {
        std::lock_guard<std::mutex> const guard(mutex_);
        // Phases nest; the steps of the one that began last are, for a person, close enough.
        steps_ = steps;
        tell(phase, 0);
    }
    bool stepComplete(char const *phase, int32_t step) noexcept override {
        std::lock_guard<std::mutex> const guard(mutex_);
        return tell(phase, step + 1);
    }
    void phaseFinish(char const *) noexcept override {}

    bool given_up() const { return given_up_; }

private:
    bool tell(char const *phase, int32_t step) noexcept {
        if (plan_.progress != nullptr && !given_up_) {
            given_up_ = plan_.progress(plan_.context, phase == nullptr ? "" : phase, step, steps_) == 0;
        }
        return !given_up_;
    }

    cvt_plan const &plan_;
    std::mutex mutex_;
    int32_t steps_ = 0;
    bool given_up_ = false;
};

// A function of a library that is loaded by name.
template <class Function> Function *function(void *library, char const *name, std::string const &path) {
    auto *found = reinterpret_cast<Function *>(dlsym(library, name));
    if (found == nullptr) {
        throw Failure(path + " is no " CVT_PRODUCT ": it has no " + name);
    }
    return found;
}

std::string path_of(std::string const &directory, char const *name) {
    return directory.empty() ? name : directory + "/" + name;
}

void *load(std::string const &path) {
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        throw Failure(std::string(CVT_PRODUCT " cannot be loaded: ") + dlerror());
    }
    return library;
}

std::string version_of(int32_t number) {
    return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
           std::to_string(number % 100);
}

// Virtual tables only grow within a major version of TensorRT; TensorRT-RTX promises nothing between minor ones.
bool fits(int32_t found) {
    constexpr int32_t major = NV_TENSORRT_MAJOR;
    constexpr int32_t minor = NV_TENSORRT_MINOR;
    return found / 10000 == major && (CVT_RTX ? found / 100 % 100 == minor : found / 100 % 100 >= minor);
}

char const *text(char const *given) { return given == nullptr ? "" : given; }

// Runs what may fail; what it throws becomes the sentence.
template <class Body> int guarded(char *error, size_t capacity, Body const &body) noexcept {
    auto const say = [&](char const *what) {
        if (error != nullptr && capacity > 0) {
            std::strncpy(error, what, capacity - 1);
            error[capacity - 1] = '\0';
        }
        return 1;
    };
    try {
        body();
        return 0;
    } catch (Refused const &e) {
        say(e.what());
        return CVT_REFUSED;
    } catch (std::exception const &e) {
        return say(e.what());
    } catch (...) {
        return say("an exception that says nothing");
    }
}

template <size_t N> void copy_name(char (&to)[N], char const *from) {
    std::strncpy(to, text(from), N - 1);
    to[N - 1] = '\0';
}

} // namespace

struct cvt_library {
    std::string directory;
    void *handle = nullptr;
    int32_t version = 0;
    Log log;
    std::unique_ptr<nvinfer1::IRuntime> runtime;
    std::mutex making;

    // Made when first needed and only with a driver: without one TensorRT may answer with a pointer to nothing.
    nvinfer1::IRuntime &started() {
        Driver::started().enter();
        std::lock_guard<std::mutex> const guard(making);
        if (!runtime) {
            auto *make = function<void *(void *, int32_t)>(handle, "createInferRuntime_INTERNAL", CVT_LIBRARY);
            runtime.reset(static_cast<nvinfer1::IRuntime *>(make(&log, NV_TENSORRT_VERSION)));
        }
        if (!runtime) {
            throw Failure(CVT_PRODUCT " does not start: " + log.take());
        }
        return *runtime;
    }
};

struct cvt_bytes {
    std::unique_ptr<nvinfer1::IHostMemory> memory;
};

// One input or output: memory that both sides reach, and the GPU's own beside it where that is another.
struct Buffer {
    cvt_port port{};
    CUdeviceptr device = 0;
    bool mapped = false;
};

struct cvt_engine {
    explicit cvt_engine(cvt_library &library) : log(library.log), driver(Driver::started()) {}
    cvt_engine(cvt_engine const &) = delete;
    cvt_engine &operator=(cvt_engine const &) = delete;
    ~cvt_engine() {
        driver.cuCtxSetCurrent(driver.context);
        if (stream != nullptr) {
            driver.cuStreamSynchronize(stream);
        }
        if (graph != nullptr) {
            driver.cuGraphExecDestroy(graph);
        }
        context.reset();
        engine.reset();
        for (Buffer &buffer : buffers) {
            if (buffer.device != 0 && !buffer.mapped) {
                driver.cuMemFree(buffer.device);
            }
            if (buffer.port.host != nullptr) {
                driver.cuMemFreeHost(buffer.port.host);
            }
        }
        if (stream != nullptr) {
            driver.cuStreamDestroy(stream);
        }
    }

    // Copies in, infers, copies out: all of it queued on the stream.
    void queue() {
        for (Buffer const &buffer : buffers) {
            if (buffer.port.input != 0 && !buffer.mapped) {
                driver.check(driver.cuMemcpyHtoDAsync(buffer.device, buffer.port.host, buffer.port.bytes, stream),
                             "copying a picture to the GPU");
            }
        }
        if (!context->enqueueV3(stream)) {
            throw Failure(CVT_PRODUCT " failed while running the model: " + log.take());
        }
        for (Buffer const &buffer : buffers) {
            if (buffer.port.input == 0 && !buffer.mapped) {
                driver.check(driver.cuMemcpyDtoHAsync(buffer.port.host, buffer.device, buffer.port.bytes, stream),
                             "copying an answer from the GPU");
            }
        }
    }

    // Records what `queue` does, so that an inference costs one launch. Where TensorRT cannot be recorded, the engine
    // goes on without.
    void capture() {
        if (driver.cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) != CUDA_SUCCESS) {
            return;
        }
        bool whole = true;
        try {
            queue();
        } catch (Failure const &) {
            whole = false;
        }
        CUgraph recorded = nullptr;
        bool const ended = driver.cuStreamEndCapture(stream, &recorded) == CUDA_SUCCESS;
        if (ended && whole && recorded != nullptr &&
            driver.cuGraphInstantiateWithFlags(&graph, recorded, 0) != CUDA_SUCCESS) {
            graph = nullptr;
        }
        if (recorded != nullptr) {
            driver.cuGraphDestroy(recorded);
        }
        log.take();
    }

    // Starts one inference.
    void start() {
        if (graph != nullptr) {
            driver.check(driver.cuGraphLaunch(graph, stream), "running the model");
        } else {
            queue();
        }
    }

    Log &log;
    Driver &driver;
    std::unique_ptr<nvinfer1::ICudaEngine> engine;
    std::unique_ptr<nvinfer1::IExecutionContext> context;
    CUstream stream = nullptr;
    CUgraphExec graph = nullptr;
    std::vector<Buffer> buffers;
};

namespace {

int32_t type_of(DataType type) {
    switch (type) {
    case DataType::kFLOAT: return CVT_F32;
    case DataType::kUINT8: return CVT_U8;
    default: return CVT_OTHER;
    }
}

// The shape of a tensor once every input's is set.
void describe(cvt_engine &it, char const *name, Buffer &buffer) {
    cvt_port &port = buffer.port;
    copy_name(port.name, name);
    port.input = it.engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT ? 1 : 0;
    port.type = type_of(it.engine->getTensorDataType(name));
    nvinfer1::Dims const shape = it.context->getTensorShape(name);
    if (port.type == CVT_OTHER || shape.nbDims < 0 || shape.nbDims > CARTVISION_TENSORRT_EXTENTS) {
        throw Failure(std::string("the engine's ") + name + " is neither 32-bit floats nor bytes in up to 8 extents");
    }
    port.rank = shape.nbDims;
    port.bytes = port.type == CVT_F32 ? sizeof(float) : 1;
    for (int32_t i = 0; i < shape.nbDims; ++i) {
        if (shape.d[i] <= 0) {
            throw Failure(std::string("the size of the engine's ") + name +
                          " depends on what is seen: export the detector without suppression inside");
        }
        port.extents[i] = shape.d[i];
        port.bytes *= static_cast<uint64_t>(shape.d[i]);
    }
}

void make_room(cvt_engine &it, Buffer &buffer, bool integrated) {
    Driver &driver = it.driver;
    unsigned const flags = integrated ? CU_MEMHOSTALLOC_DEVICEMAP : 0;
    driver.check(driver.cuMemHostAlloc(&buffer.port.host, buffer.port.bytes, flags), "making pinned memory");
    std::memset(buffer.port.host, 0, buffer.port.bytes);
    if (integrated) {
        driver.check(driver.cuMemHostGetDevicePointer(&buffer.device, buffer.port.host, 0), "mapping pinned memory");
        buffer.mapped = true;
    } else {
        driver.check(driver.cuMemAlloc(&buffer.device, buffer.port.bytes), "making memory on the GPU");
    }
    if (!it.context->setTensorAddress(buffer.port.name, reinterpret_cast<void *>(buffer.device))) {
        throw Failure(CVT_PRODUCT " does not take the memory of " + std::string(buffer.port.name) + ": " +
                      it.log.take());
    }
}

// Open first extents become a batch.
void set_batch(cvt_engine &it, int32_t batch) {
    for (int32_t i = 0; i < it.engine->getNbIOTensors(); ++i) {
        char const *name = it.engine->getIOTensorName(i);
        if (it.engine->getTensorIOMode(name) != nvinfer1::TensorIOMode::kINPUT) {
            continue;
        }
        nvinfer1::Dims shape = it.engine->getTensorShape(name);
        if (shape.nbDims > 0 && shape.d[0] < 0) {
            shape.d[0] = batch;
            if (!it.context->setInputShape(name, shape)) {
                throw Failure("the engine takes no batch of " + std::to_string(batch) + ": " + it.log.take());
            }
        }
    }
}

void load_engine(cvt_engine &it, nvinfer1::IRuntime &runtime, void const *data, size_t size, int32_t batch) {
    // What was said of something else is no reason here.
    it.log.take();
    it.engine.reset(runtime.deserializeCudaEngine(data, size));
    if (!it.engine) {
        throw Refused(CVT_PRODUCT " does not take the engine: " + it.log.take());
    }
    it.context.reset(it.engine->createExecutionContext());
    if (!it.context) {
        throw Failure("the GPU has no room for the engine: " + it.log.take());
    }
    set_batch(it, batch);
    it.driver.check(it.driver.cuStreamCreate(&it.stream, CU_STREAM_NON_BLOCKING), "making a stream");
    bool const integrated = it.driver.attribute(CU_DEVICE_ATTRIBUTE_INTEGRATED) != 0;
    // Sized once: buffers are freed by the destructor, so each is in the list before it gets its memory.
    it.buffers.resize(static_cast<size_t>(it.engine->getNbIOTensors()));
    for (size_t i = 0; i < it.buffers.size(); ++i) {
        describe(it, it.engine->getIOTensorName(static_cast<int32_t>(i)), it.buffers[i]);
        make_room(it, it.buffers[i], integrated);
    }
    // Once without a recording: what TensorRT makes lazily must not be made during one.
    it.queue();
    it.driver.check(it.driver.cuStreamSynchronize(it.stream), "running the model the first time");
    it.capture();
    // As every picture does from now on: what cannot be replayed, or was left unusable by a recording, shows here.
    it.start();
    it.driver.check(it.driver.cuStreamSynchronize(it.stream), "running the model a second time");
}

// One profile for a model that leaves its first extents open.
void add_batches(nvinfer1::INetworkDefinition &network, nvinfer1::IBuilder &builder, nvinfer1::IBuilderConfig &config,
                 int32_t batch) {
    nvinfer1::IOptimizationProfile *profile = nullptr;
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        nvinfer1::ITensor const &input = *network.getInput(i);
        nvinfer1::Dims shape = input.getDimensions();
        for (int32_t d = 0; d < shape.nbDims; ++d) {
            if (shape.d[d] < 0 && d > 0) {
                throw Failure(std::string("the model leaves more of its input ") + text(input.getName()) +
                              " open than the first extent: export it for one size of pictures");
            }
        }
        if (shape.nbDims == 0 || shape.d[0] >= 0) {
            continue;
        }
        profile = profile == nullptr ? builder.createOptimizationProfile() : profile;
        shape.d[0] = 1;
        bool taken = profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kMIN, shape);
        shape.d[0] = batch < 1 ? 1 : batch;
        taken = taken && profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kOPT, shape) &&
                profile->setDimensions(input.getName(), nvinfer1::OptProfileSelector::kMAX, shape);
        if (!taken) {
            throw Failure("batches of " + std::to_string(batch) + " are not taken");
        }
    }
    if (profile != nullptr && config.addOptimizationProfile(profile) < 0) {
        throw Failure("batches of " + std::to_string(batch) + " are not taken");
    }
}

#if CVT_RTX
nvinfer1::ComputeCapability capability_of(int32_t number) {
    using nvinfer1::ComputeCapability;
    switch (number) {
    case 75: return ComputeCapability::kSM75;
    case 80: return ComputeCapability::kSM80;
    case 86: return ComputeCapability::kSM86;
    case 89: return ComputeCapability::kSM89;
    case 120: return ComputeCapability::kSM120;
    default: throw Failure(CVT_BUILT_FOR " builds nothing for sm_" + std::to_string(number));
    }
}
#endif

void aim(nvinfer1::IBuilderConfig &config, cvt_plan const &plan) {
#if CVT_RTX
    auto const count = static_cast<int32_t>(plan.capability_count);
    bool taken = config.setNbComputeCapabilities(count > 0 ? count : 1);
    for (int32_t i = 0; taken && i < count; ++i) {
        taken = config.setComputeCapability(capability_of(plan.capabilities[i]), i);
    }
    if (taken && count == 0) {
        taken = config.setComputeCapability(nvinfer1::ComputeCapability::kCURRENT, 0);
    }
    if (!taken) {
        throw Failure(CVT_BUILT_FOR " does not build for these GPUs");
    }
#else
    static_cast<void>(config);
    if (plan.capability_count > 0) {
        throw Failure(CVT_PRODUCT " builds for the GPU that is here, and for no other");
    }
#endif
}

void build(cvt_library &it, void const *onnx, size_t size, cvt_plan const &plan, cvt_bytes &built) {
    if (plan.capability_count == 0) {
        Driver::started().enter();
    }
    it.log.take();
    std::string const path = path_of(it.directory, CVT_PARSER);
    void *parsing = load(path);
    auto *make_parser = function<void *(void *, void *, int)>(parsing, "createNvOnnxParser_INTERNAL", path);
    auto *make_builder = function<void *(void *, int32_t)>(it.handle, "createInferBuilder_INTERNAL", CVT_LIBRARY);

    std::unique_ptr<nvinfer1::IBuilder> builder(
        static_cast<nvinfer1::IBuilder *>(make_builder(&it.log, NV_TENSORRT_VERSION)));
    if (!builder) {
        throw Failure(CVT_PRODUCT " does not start: " + it.log.take());
    }
#if CVT_ALWAYS_TYPED
    nvinfer1::NetworkDefinitionCreationFlags const flags = 0;
#else
    // Types are those of the model: Q/DQ says what is INT8, and nothing is made less exact behind our back.
    nvinfer1::NetworkDefinitionCreationFlags const flags =
        1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
#endif
    std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(flags));
    if (!network) {
        throw Failure(CVT_PRODUCT " makes no network: " + it.log.take());
    }
    std::unique_ptr<nvonnxparser::IParser> parser(
        static_cast<nvonnxparser::IParser *>(make_parser(network.get(), &it.log, NV_ONNX_PARSER_VERSION)));
    if (!parser) {
        throw Failure(CVT_PRODUCT "'s ONNX parser does not start: " + it.log.take());
    }
    if (!parser->parse(onnx, size)) {
        std::string why = parser->getNbErrors() > 0 ? text(parser->getError(0)->desc()) : it.log.take();
        throw Failure(CVT_PRODUCT " cannot read the model: " + why);
    }
    if (network->getNbOutputs() == 0) {
        throw Failure(CVT_PRODUCT " cannot read the model: nothing comes out of it");
    }
    std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
    if (!config) {
        throw Failure(CVT_PRODUCT " makes no configuration: " + it.log.take());
    }
    aim(*config, plan);
    add_batches(*network, *builder, *config, plan.batch);
    if (plan.workspace > 0) {
        config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, plan.workspace);
    }
    Progress progress(plan);
    config->setProgressMonitor(&progress);
    built.memory.reset(builder->buildSerializedNetwork(*network, *config));
    if (progress.given_up()) {
        throw Failure("the build was given up");
    }
    if (!built.memory || built.memory->size() == 0) {
        throw Failure(CVT_PRODUCT " cannot build the model: " + it.log.take());
    }
    it.log.take();
}

} // namespace

uint32_t cvt_abi(void) { return CARTVISION_TENSORRT_ABI; }

char const *cvt_built_for(void) { return CVT_BUILT_FOR; }

int cvt_open(char const *directory, cvt_library **library, char *error, size_t capacity) {
    return guarded(error, capacity, [&] {
        auto opened = std::make_unique<cvt_library>();
        opened->directory = text(directory);
        std::string const path = path_of(opened->directory, CVT_LIBRARY);
        opened->handle = load(path);
        opened->version = function<int32_t()>(opened->handle, "getInferLibVersion", path)();
        if (!fits(opened->version)) {
            throw Failure(path + " is version " + version_of(opened->version) + ", but this was compiled for " +
                          CVT_BUILT_FOR + ": install the package for this system's TensorRT");
        }
        *library = opened.release();
    });
}

void cvt_close(cvt_library *library) {
    // TensorRT itself stays loaded: it leaves threads and exit handlers behind.
    delete library;
}

int32_t cvt_version(cvt_library const *library) { return library->version; }

int cvt_device_of(cvt_library *, cvt_device *device, char *error, size_t capacity) {
    return guarded(error, capacity, [&] {
        Driver &driver = Driver::started();
        driver.enter();
        *device = {};
        driver.check(driver.cuDeviceGetName(device->name, sizeof device->name, driver.device), "asking its name");
        driver.check(driver.cuDriverGetVersion(&device->driver), "asking the driver's version");
        size_t memory = 0;
        driver.check(driver.cuDeviceTotalMem(&memory, driver.device), "asking its memory");
        device->memory = memory;
        device->capability = 10 * driver.attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
                             driver.attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
        device->integrated = driver.attribute(CU_DEVICE_ATTRIBUTE_INTEGRATED);
        device->streaming_multiprocessors = driver.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
        device->clock_khz = driver.attribute(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
    });
}

int cvt_build(cvt_library *library, void const *onnx, size_t size, cvt_plan const *plan, cvt_bytes **built,
              char *error, size_t capacity) {
    return guarded(error, capacity, [&] {
        auto bytes = std::make_unique<cvt_bytes>();
        build(*library, onnx, size, *plan, *bytes);
        *built = bytes.release();
    });
}

void const *cvt_data(cvt_bytes const *bytes, size_t *size) {
    *size = bytes->memory->size();
    return bytes->memory->data();
}

void cvt_forget(cvt_bytes *bytes) { delete bytes; }

int cvt_load(cvt_library *library, void const *data, size_t size, int32_t batch, cvt_engine **engine, char *error,
             size_t capacity) {
    return guarded(error, capacity, [&] {
        nvinfer1::IRuntime &runtime = library->started();
        auto loaded = std::make_unique<cvt_engine>(*library);
        load_engine(*loaded, runtime, data, size, batch);
        *engine = loaded.release();
    });
}

void cvt_unload(cvt_engine *engine) { delete engine; }

int32_t cvt_port_count(cvt_engine const *engine) { return static_cast<int32_t>(engine->buffers.size()); }

int cvt_port_of(cvt_engine const *engine, int32_t index, cvt_port *port) {
    if (index < 0 || index >= cvt_port_count(engine)) {
        return 1;
    }
    *port = engine->buffers[static_cast<size_t>(index)].port;
    return 0;
}

int cvt_start(cvt_engine *engine, char *error, size_t capacity) {
    return guarded(error, capacity, [&] {
        engine->driver.enter();
        engine->start();
    });
}

int cvt_wait(cvt_engine *engine, char *error, size_t capacity) {
    return guarded(error, capacity, [&] {
        engine->driver.enter();
        engine->driver.check(engine->driver.cuStreamSynchronize(engine->stream), "waiting for the model");
    });
}

int32_t cvt_captured(cvt_engine const *engine) { return engine->graph != nullptr ? 1 : 0; }
