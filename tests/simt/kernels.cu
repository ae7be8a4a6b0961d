// Small kernels whose PTX the PTX machine runs in tests: nvcc wrote it, weft did not. tests/simt/generate says how.
#include <cuda_fp16.h>
#include <stdint.h>

extern "C" __global__ void saxpy(int n, float a, const float *__restrict__ x, float *y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i];
}

extern "C" __global__ void block_sum(int n, const float *__restrict__ x, float *out) {
  extern __shared__ float part[];
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += x[i];
  part[threadIdx.x] = sum;
  __syncthreads();
  for (int half = blockDim.x / 2; half; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}

// A barrier too few: the tests see the race.
extern "C" __global__ void block_sum_racy(int n, const float *__restrict__ x, float *out) {
  extern __shared__ float part[];
  part[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  for (int half = blockDim.x / 2; half; half /= 2)
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
  if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}

extern "C" __global__ void transpose(int rows, int columns, const float *__restrict__ in, float *out) {
  __shared__ float tile[32][33];
  int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
  for (int j = 0; j < 32; j += 8)
    if (x < columns && y + j < rows) tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * columns + x];
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x, y = blockIdx.x * 32 + threadIdx.y;
  for (int j = 0; j < 32; j += 8)
    if (x < rows && y + j < columns) out[(y + j) * rows + x] = tile[threadIdx.x][threadIdx.y + j];
}

// 64 x 64 of C a block of 256 threads, 4 x 4 a thread. m and n multiples of 64, k of 16.
extern "C" __global__ void __launch_bounds__(256) matmul(int m, int n, int k, const float *__restrict__ a,
                                                         const float *__restrict__ b, float *c) {
  __shared__ float as[16][64], bs[16][64];
  int t = threadIdx.x, tx = t % 16, ty = t / 16, row = blockIdx.y * 64, column = blockIdx.x * 64;
  float sum[4][4] = {};
  for (int k0 = 0; k0 < k; k0 += 16) {
    for (int i = t; i < 1024; i += 256) {
      as[i % 16][i / 16] = a[(row + i / 16) * k + k0 + i % 16];
      bs[i / 64][i % 64] = b[(k0 + i / 64) * n + column + i % 64];
    }
    __syncthreads();
#pragma unroll
    for (int kk = 0; kk < 16; kk++) {
      float x[4], y[4];
#pragma unroll
      for (int i = 0; i < 4; i++) x[i] = as[kk][ty * 4 + i], y[i] = bs[kk][tx * 4 + i];
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] = fmaf(x[i], y[j], sum[i][j]);
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) c[(row + ty * 4 + i) * n + column + tx * 4 + j] = sum[i][j];
}

extern "C" __global__ void warp_scan(int n, const int *__restrict__ in, int *out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31;
  int value = i < n ? in[i] : 0;
  for (int step = 1; step < 32; step *= 2) {
    int other = __shfl_up_sync(0xffffffffu, value, step);
    if (lane >= step) value += other;
  }
  if (i < n) out[i] = value;
}

extern "C" __global__ void histogram(int n, const uint8_t *__restrict__ in, unsigned *bins) {
  __shared__ unsigned local[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&local[in[i]], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x)
    if (local[i]) atomicAdd(&bins[i], local[i]);
}

// A row a block of 128 threads.
extern "C" __global__ void softmax(int columns, const float *__restrict__ in, float *out) {
  __shared__ float part[4];
  const float *row = in + (long)blockIdx.x * columns;
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  float best = -INFINITY, sum = 0;
  for (int i = threadIdx.x; i < columns; i += 128) best = fmaxf(best, row[i]);
  for (int d = 16; d; d /= 2) best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, d));
  if (lane == 0) part[warp] = best;
  __syncthreads();
  best = fmaxf(fmaxf(part[0], part[1]), fmaxf(part[2], part[3]));
  __syncthreads();
  for (int i = threadIdx.x; i < columns; i += 128) sum += __expf(row[i] - best);
  for (int d = 16; d; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
  if (lane == 0) part[warp] = sum;
  __syncthreads();
  sum = part[0] + part[1] + part[2] + part[3];
  for (int i = threadIdx.x; i < columns; i += 128) out[(long)blockIdx.x * columns + i] = __expf(row[i] - best) / sum;
}

// libm's own code: what nvcc emits for expf, logf, sinf, powf, division and friends.
extern "C" __global__ void functions(int n, const float *__restrict__ x, float *out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  float *o = out + 10 * i;
  o[0] = expf(v), o[1] = logf(fabsf(v) + 1e-3f), o[2] = sinf(v), o[3] = cosf(v), o[4] = tanhf(v);
  o[5] = powf(fabsf(v), 1.7f), o[6] = erff(v), o[7] = sqrtf(fabsf(v)), o[8] = 1.0f / (v + 40.0f), o[9] = fmodf(v, 0.7f);
}

// Half precision and packed halves.
extern "C" __global__ void halves(int n, const __half2 *__restrict__ x, const __half2 *__restrict__ y, __half2 *out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = __hfma2(x[i], y[i], __hadd2(x[i], __float2half2_rn(0.5f)));
}

// A device function that is not inlined, a switch, local memory indexed at run time.
static __device__ __noinline__ int collatz(int n, int limit) {
  int steps = 0;
  while (n != 1 && steps < limit) n = n & 1 ? 3 * n + 1 : n / 2, steps++;
  return steps;
}
extern "C" __global__ void calls(int n, const int *__restrict__ in, int *out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  int value = in[i], table[8];
  for (int j = 0; j < 8; j++) table[(j * 5 + value) & 7] = collatz(value + j + 1, 200);
  int sum = 0;
  switch (value & 7) {
    case 0: sum = table[1] + 3; break;
    case 1: sum = table[2] * 7; break;
    case 2: sum = table[3] - table[4]; break;
    case 3: sum = table[5] ^ 11; break;
    case 4: sum = table[6] << 2; break;
    case 5: sum = -table[7]; break;
    default: sum = table[(value >> 3) & 7];
  }
  out[i] = sum;
}
