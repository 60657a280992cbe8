// CUDA's language on the host, for arithmetic alone: each thread of a block is a coroutine, and blocks run
// one after another. Between two barriers threads run in the order given, so that a missing barrier shows
// as a result that depends on it.
#include <ucontext.h>

#include <cmath>
#include <functional>
#include <vector>

using std::acos;
using std::asin;
using std::cos;
using std::exp;
using std::fabs;
using std::fma;
using std::sin;
using std::sqrt;

#define __global__
#define __device__
#define __shared__ static

struct place_t {
    unsigned x, y, z;
};
static place_t threadIdx, blockIdx, blockDim, gridDim;

namespace host_cuda {

struct coroutine_t {
    ucontext_t context;
    std::vector<char> stack;
    place_t place;
    bool done;
};
static std::vector<coroutine_t> threads;
static ucontext_t scheduler;
static size_t current;
static const std::function<void()>* body;

static void enter() {
    (*body)();
    threads[current].done = true;
}

static void run_block(bool backwards) {
    const size_t count = size_t(blockDim.x) * blockDim.y * blockDim.z;
    if (threads.size() < count) threads.resize(count);
    for (size_t t = 0; t < count; ++t) {
        coroutine_t& thread = threads[t];
        thread.stack.resize(1 << 15);
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.data();
        thread.context.uc_stack.ss_size = thread.stack.size();
        thread.context.uc_link = &scheduler;
        thread.place = {unsigned(t % blockDim.x), unsigned(t / blockDim.x % blockDim.y),
                        unsigned(t / blockDim.x / blockDim.y)};
        thread.done = false;
        makecontext(&thread.context, enter, 0);
    }
    for (bool going = true; going;) {
        going = false;
        for (size_t k = 0; k < count; ++k) {
            current = backwards ? count - 1 - k : k;
            if (threads[current].done) continue;
            threadIdx = threads[current].place;
            swapcontext(&scheduler, &threads[current].context);
            going = going || !threads[current].done;
        }
    }
}

static void run(const unsigned* shape, bool backwards, const std::function<void()>& function) {
    gridDim = {shape[0], shape[1], shape[2]};
    blockDim = {shape[3], shape[4], shape[5]};
    body = &function;
    const size_t blocks = size_t(gridDim.x) * gridDim.y * gridDim.z;
    for (size_t k = 0; k < blocks; ++k) {
        const size_t b = backwards ? blocks - 1 - k : k;
        blockIdx = {unsigned(b % gridDim.x), unsigned(b / gridDim.x % gridDim.y),
                    unsigned(b / gridDim.x / gridDim.y)};
        run_block(backwards);
    }
}

}  // namespace host_cuda

static inline void __syncthreads() {
    swapcontext(&host_cuda::threads[host_cuda::current].context, &host_cuda::scheduler);
}
static inline int __popc(unsigned word) { return __builtin_popcount(word); }
