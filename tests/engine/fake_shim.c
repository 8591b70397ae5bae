/* A FAKE of TensorRT's shim, for what a cart does around a GPU: engines are kept, built beside the running cart, built
 * again, given up, refused. It computes nothing: its "engine" is the model's own bytes and a letter, and what it answers is
 * fixed. It cannot show that TensorRT, CUDA or a GPU do what they should: engines/tests/tensorrt.rs tries what of
 * that can be tried.
 *
 * FAKE_GPU says how it behaves: "" (well), "none" (no GPU), "refuses" (every build fails), "slow" (a build takes until
 * it is given up), "kills" (a build ends the process), "breaks" (after some inferences each fails). FAKE_VERSION is the library's version. FAKE_DRIVER is what an engine was built with, and must be loaded
 * with. Each inference adds a byte to the file FAKE_RUNS. */
#define _GNU_SOURCE
#include "shim.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cvt_library {
    int32_t version;
};
struct cvt_bytes {
    size_t size;
    char *data;
};
struct cvt_engine {
    int32_t count;
    cvt_port ports[3];
};

static const char *env(const char *name) {
    const char *value = getenv(name);
    return value == NULL ? "" : value;
}

static int behaves(const char *how) { return strcmp(env("FAKE_GPU"), how) == 0; }

/* What an engine depends on without its key's telling so. */
static char driver(void) { return env("FAKE_DRIVER")[0]; }

static int fail(char *error, size_t capacity, const char *why) {
    snprintf(error, capacity, "%s", why);
    return 1;
}

uint32_t cvt_abi(void) { return CARTVISION_TENSORRT_ABI; }
const char *cvt_built_for(void) { return "a fake of TensorRT"; }

int cvt_open(const char *directory, cvt_library **library, char *error, size_t capacity) {
    (void)directory, (void)error, (void)capacity;
    *library = malloc(sizeof **library);
    (*library)->version = atoi(env("FAKE_VERSION"));
    return 0;
}
void cvt_close(cvt_library *library) { free(library); }
int32_t cvt_version(const cvt_library *library) { return library->version; }

int cvt_device_of(cvt_library *library, cvt_device *device, char *error, size_t capacity) {
    (void)library;
    if (behaves("none")) {
        return fail(error, capacity, "the NVIDIA driver is there, but no GPU");
    }
    memset(device, 0, sizeof *device);
    strcpy(device->name, "a fake GPU");
    device->capability = 87;
    device->integrated = 1;
    device->memory = 8ULL << 30;
    return 0;
}

int cvt_build(cvt_library *library, const void *onnx, size_t size, const cvt_plan *plan, cvt_bytes **built,
              char *error, size_t capacity) {
    (void)library;
    if (behaves("kills")) {
        abort();
    }
    if (behaves("refuses")) {
        return fail(error, capacity, "it cannot build the model: it is a fake");
    }
    int32_t steps = behaves("slow") ? 1000000 : 30;
    for (int32_t step = 0; step < steps; ++step) {
        if (plan->progress(plan->context, "pretending", step, steps) == 0) {
            return fail(error, capacity, "the build was given up");
        }
        usleep(10000);
    }
    *built = malloc(sizeof **built);
    (*built)->size = size + 1;
    (*built)->data = memcpy(malloc(size + 1), onnx, size);
    (*built)->data[size] = driver();
    return 0;
}
const void *cvt_data(const cvt_bytes *bytes, size_t *size) {
    *size = bytes->size;
    return bytes->data;
}
void cvt_forget(cvt_bytes *bytes) {
    free(bytes->data);
    free(bytes);
}

static void add(cvt_engine *engine, const char *name, int input, int32_t rank, const int64_t *extents) {
    cvt_port *port = &engine->ports[engine->count++];
    strcpy(port->name, name);
    port->input = input;
    port->type = CVT_F32;
    port->rank = rank;
    port->bytes = sizeof(float);
    for (int32_t i = 0; i < rank; ++i) {
        port->extents[i] = extents[i];
        port->bytes *= (uint64_t)extents[i];
    }
    port->host = aligned_alloc(64, (port->bytes + 63) / 64 * 64);
    memset(port->host, 0, port->bytes);
}

int cvt_load(cvt_library *library, const void *data, size_t size, int32_t batch, cvt_engine **engine, char *error,
             size_t capacity) {
    (void)library, (void)batch;
    if (size == 0) {
        return fail(error, capacity, "it does not take the engine: it is empty");
    }
    if (((const char *)data)[size - 1] != driver()) {
        fail(error, capacity, "it does not take the engine: another driver built it");
        return CVT_REFUSED;
    }
    *engine = calloc(1, sizeof **engine);
    if (memmem(data, size, "window", 6) != NULL) {
        add(*engine, "window", 1, 3, (int64_t[]){1, 24, 15});
        add(*engine, "asked", 1, 2, (int64_t[]){1, 26});
        add(*engine, "probabilities", 0, 2, (int64_t[]){1, 3});
        float *answer = (*engine)->ports[2].host;
        answer[0] = 1;
    } else {
        add(*engine, "images", 1, 4, (int64_t[]){1, 3, 64, 64});
        add(*engine, "output0", 0, 3, (int64_t[]){1, 6, 8});
    }
    return 0;
}
void cvt_unload(cvt_engine *engine) {
    for (int32_t i = 0; i < engine->count; ++i) {
        free(engine->ports[i].host);
    }
    free(engine);
}
int32_t cvt_port_count(const cvt_engine *engine) { return engine->count; }
int cvt_port_of(const cvt_engine *engine, int32_t index, cvt_port *port) {
    *port = engine->ports[index];
    return 0;
}

int cvt_start(cvt_engine *engine, char *error, size_t capacity) {
    (void)engine, (void)error, (void)capacity;
    FILE *runs = fopen(env("FAKE_RUNS"), "a");
    if (runs != NULL) {
        fputc('.', runs);
        fclose(runs);
    }
    return 0;
}
int cvt_wait(cvt_engine *engine, char *error, size_t capacity) {
    static atomic_int waits;
    (void)engine;
    if (behaves("breaks") && atomic_fetch_add(&waits, 1) > 30) {
        return fail(error, capacity, "the GPU fell off the bus");
    }
    return 0;
}
int32_t cvt_captured(const cvt_engine *engine) {
    (void)engine;
    return 0;
}
