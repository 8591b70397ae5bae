// TensorRT behind a C interface, so that one program of ours runs with any TensorRT, or with none.
//
// TensorRT is a C++ library: its virtual tables differ between versions, and a program that pairs headers of one with a
// library of another runs into undefined behaviour without a word. So this is compiled against the headers of the
// TensorRT that it will meet (one package for each JetPack), loads that library itself, and refuses any other. It is
// loaded in turn by `engines/src/tensorrt`, which is where every function below is called; links nothing but the C++
// runtime.
//
// Every function that can fail gives 0 when it did not, and else 1 (or what it says) and leaves a sentence in `error`, cut to `capacity` bytes
// with its 0. No exception leaves it. A library may be used by several threads at once; an engine by one at a time.
#ifndef CARTVISION_TENSORRT_H
#define CARTVISION_TENSORRT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

// Raised whenever anything below changes its meaning or layout.
#define CARTVISION_TENSORRT_ABI 1
#define CARTVISION_TENSORRT_EXTENTS 8

typedef struct cvt_library cvt_library; // TensorRT, opened
typedef struct cvt_engine cvt_engine;   // a model on the GPU, with its buffers and its stream
typedef struct cvt_bytes cvt_bytes;     // a built engine, serialized

typedef struct {
    char name[128];       // as the driver calls it
    int32_t capability;   // 10 × major + minor: 87 is Orin
    int32_t integrated;   // 1 where CPU and GPU share memory, as on Jetson
    int32_t driver;       // the newest CUDA that the driver knows: 1000 × major + 10 × minor
    int32_t streaming_multiprocessors;
    int32_t clock_khz;
    int32_t reserved;
    uint64_t memory;      // bytes
} cvt_device;

typedef struct {
    const int32_t *capabilities; // build for these; none: for the GPU that is here
    size_t capability_count;
    uint64_t workspace;          // bytes; 0: TensorRT's own limit
    int32_t batch;               // where the model leaves its first extent open: 1 to this many at once
    int32_t reserved;
    // Told of each step, from one thread at a time, not always the same; answers 0 to give the build up.
    int32_t (*progress)(void *context, const char *phase, int32_t step, int32_t steps);
    void *context;
} cvt_plan;

// What a function gives besides 0 and 1.
enum { CVT_REFUSED = 2 };

enum { CVT_F32 = 0, CVT_U8 = 1, CVT_OTHER = 2 };

typedef struct {
    char name[128];
    int32_t input; // 1: goes in
    int32_t type;
    int32_t rank;
    int32_t reserved;
    int64_t extents[CARTVISION_TENSORRT_EXTENTS];
    uint64_t bytes;
    void *host; // pinned memory of that many bytes; on an integrated GPU the GPU's too
} cvt_port;

// The interface that this was compiled with, and for which TensorRT ("TensorRT-RTX 1.7.1"). Neither loads anything.
uint32_t cvt_abi(void);
const char *cvt_built_for(void);

// Opens TensorRT in `directory`, or where the system's loader finds it (null); touches no GPU.
int cvt_open(const char *directory, cvt_library **library, char *error, size_t capacity);
void cvt_close(cvt_library *library);
// The library's own version: 10000 × major + 100 × minor + patch.
int32_t cvt_version(const cvt_library *library);

// Starts the CUDA driver, which everything but building for given capabilities needs; says what the first GPU is.
int cvt_device_of(cvt_library *library, cvt_device *device, char *error, size_t capacity);

// Builds an engine of an ONNX model with explicit types and quantization. Takes seconds to minutes.
int cvt_build(cvt_library *library, const void *onnx, size_t size, const cvt_plan *plan, cvt_bytes **built,
              char *error, size_t capacity);
const void *cvt_data(const cvt_bytes *bytes, size_t *size);
void cvt_forget(cvt_bytes *bytes);

// Brings a serialized engine onto the GPU, and runs it. CVT_REFUSED: TensorRT does not take it, so it is to be built again;
// another failure building does not mend. What it holds runs as code there: give it nothing from strangers.
int cvt_load(cvt_library *library, const void *data, size_t size, int32_t batch, cvt_engine **engine, char *error,
             size_t capacity);
void cvt_unload(cvt_engine *engine);
int32_t cvt_port_count(const cvt_engine *engine);
int cvt_port_of(const cvt_engine *engine, int32_t index, cvt_port *port);

// Starts one inference: inputs are taken from their `host` memory, which must not be written until the wait is over.
int cvt_start(cvt_engine *engine, char *error, size_t capacity);
// Waits until the outputs are in theirs.
int cvt_wait(cvt_engine *engine, char *error, size_t capacity);
// 1 where inferences are replayed as one CUDA graph; 0 where TensorRT could not be captured.
int32_t cvt_captured(const cvt_engine *engine);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
