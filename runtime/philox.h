// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): counter-based, same bits everywhere.
#ifndef WEFT_RUNTIME_PHILOX_H
#define WEFT_RUNTIME_PHILOX_H
#include <stdint.h>

void weft_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

// A permutation of 0..count-1 that depends on (seed, epoch) only: Fisher-Yates, one Philox block a swap.
void weft_shuffle(uint64_t seed, uint64_t epoch, int64_t count, int64_t *permutation);

#endif
