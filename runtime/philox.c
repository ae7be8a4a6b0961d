#include "runtime/philox.h"

void weft_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

// Uniform in [0, bound) by multiply and shift of 64 random bits; the bias is below bound / 2^64.
static int64_t below(uint64_t seed, uint64_t epoch, int64_t index, int64_t bound) {
  uint32_t counter[4] = {(uint32_t)index, (uint32_t)((uint64_t)index >> 32), (uint32_t)epoch, (uint32_t)(epoch >> 32)};
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, word[4];
  weft_philox(counter, key, word);
  uint64_t bits = (uint64_t)word[1] << 32 | word[0];
  return (int64_t)((unsigned __int128)bits * (uint64_t)bound >> 64);
}

void weft_shuffle(uint64_t seed, uint64_t epoch, int64_t count, int64_t *permutation) {
  for (int64_t i = 0; i < count; i++) permutation[i] = i;
  for (int64_t i = count - 1; i > 0; i--) {
    int64_t j = below(seed, epoch, i, i + 1), kept = permutation[i];
    permutation[i] = permutation[j];
    permutation[j] = kept;
  }
}
