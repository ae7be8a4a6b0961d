// What lanes and threads do together, in the PTX machine: shuffles, votes, atomics, matrices, barriers; and memory in its spaces.
#include "simt_fixture.h"

#define HEAD ".version 8.6\n.target sm_90\n.address_size 64\n"
#define KERNEL ".visible .entry k(.param .u64 in, .param .u64 out) {\n"                                                       \
  ".reg .b64 %d<20>; .reg .b32 %r<40>; .reg .f32 %f<40>; .reg .pred %p<10>; .reg .b16 %h<8>; .shared .align 16 .b8 sm[4096];\n" \
  "ld.param.u64 %d1, [in]; ld.param.u64 %d2, [out]; mov.u32 %r1, %tid.x; mul.wide.u32 %d3, %r1, 4; add.s64 %d4, %d1, %d3; add.s64 %d5, %d2, %d3;\n"
// %d1 in, %d2 out, %r1 thread, %d4 &in[thread], %d5 &out[thread]

typedef uint32_t u32;
enum { WORDS = 4096 };
typedef struct run { fixture f; u32 *in, *out; } run;

static run execute(const char *before, const char *body, u32 grid, u32 block, uint64_t seed, const u32 *in) {
  static char text[1 << 16];
  int size = snprintf(text, sizeof text, "%s%s%s%s\nret;\n}\n", HEAD, before, KERNEL, body);
  run r = {.f = open_text("k.ptx", text, (size_t)size, 2, seed)};
  u32 zeros[WORDS] = {0};
  r.in = filled(r.f, in ? in : zeros, WORDS * 4);
  r.out = filled(r.f, zeros, WORDS * 4);
  ok(start(r.f, "k", grid, 1, block, 1, 0, (void *[]){&r.in, &r.out}));
  return r;
}

static u32 input[WORDS];
static int setup(void **state) {
  uint64_t random = 5;
  for (int k = 0; k < WORDS; k++) input[k] = (u32)(random_bits(&random) >> 13);
  return 0;
}

// ---- shuffles and votes

static u32 shuffled(int mode, int lane, u32 by, u32 c, bool *valid) {   // the manual's program
  int segment = (int)(c >> 8 & 31), clamp = (int)(c & 31), last = (lane & segment) | (clamp & ~segment), first = lane & segment, b = (int)(by & 31), j;
  switch (mode) {
    case 0: j = lane - b, *valid = j >= last; break;
    case 1: j = lane + b, *valid = j <= last; break;
    case 2: j = lane ^ b, *valid = j <= last; break;
    default: j = first | (b & ~segment), *valid = j <= last;
  }
  return (u32)(*valid ? j : lane);
}

static void shuffles(void **state) {
  static const char *const names[] = {"up", "down", "bfly", "idx"};
  static const u32 controls[] = {0, 31, 0x181f, 0x1807, 0x101f, 0x1c1f, 7};
  for (int mode = 0; mode < 4; mode++)
    for (size_t c = 0; c < sizeof controls / sizeof *controls; c++) {
      char body[512];
      snprintf(body, sizeof body, "ld.global.u32 %%r2, [%%d4]; and.b32 %%r3, %%r2, 15; shfl.sync.%s.b32 %%r4|%%p1, %%r2, %%r3, %u, 0xffffffff; st.global.u32 [%%d5], %%r4;"
                                  "selp.u32 %%r5, 1, 0, %%p1; st.global.u32 [%%d5+128], %%r5;", names[mode], controls[c]);
      run r = execute("", body, 1, 32, 0, input);
      for (int lane = 0; lane < 32; lane++) {
        bool valid;
        u32 from = shuffled(mode, lane, input[lane] & 15, controls[c], &valid);
        assert_int_equal(r.out[lane], input[from]);
        assert_int_equal(r.out[32 + lane], valid);
      }
      shut(r.f);
    }
}

static void votes(void **state) {
  const char *body = "ld.global.u32 %r2, [%d4]; and.b32 %r3, %r2, 3; setp.eq.u32 %p1, %r3, 0; vote.sync.ballot.b32 %r4, %p1, -1; st.global.u32 [%d5], %r4;"
      "vote.sync.any.pred %p2, %p1, -1; vote.sync.all.pred %p3, !%p1, -1; vote.sync.uni.pred %p4, %p1, -1; selp.u32 %r5, 1, 0, %p2; selp.u32 %r6, 2, 0, %p3; selp.u32 %r7, 4, 0, %p4;"
      "or.b32 %r5, %r5, %r6; or.b32 %r5, %r5, %r7; st.global.u32 [%d5+128], %r5; match.any.sync.b32 %r8, %r3, -1; st.global.u32 [%d5+256], %r8;"
      "match.all.sync.b32 %r9|%p5, %r3, -1; selp.u32 %r9, 1, %r9, %p5; st.global.u32 [%d5+384], %r9; redux.sync.add.u32 %r10, %r2, -1; st.global.u32 [%d5+512], %r10;"
      "redux.sync.min.s32 %r10, %r2, -1; st.global.u32 [%d5+640], %r10; redux.sync.xor.b32 %r10, %r2, -1; st.global.u32 [%d5+768], %r10;"
      "@%p1 activemask.b32 %r11; @!%p1 mov.u32 %r11, 7; st.global.u32 [%d5+896], %r11; elect.sync %r12|%p6, -1; selp.u32 %r12, 100, %r12, %p6; st.global.u32 [%d5+1024], %r12;";
  run r = execute("", body, 1, 32, 0, input);
  u32 ballot = 0, sum = 0, all_xor = 0;
  int32_t least = INT32_MAX;
  for (int l = 0; l < 32; l++) {
    ballot |= (u32)((input[l] & 3) == 0) << l, sum += input[l], all_xor ^= input[l];
    if ((int32_t)input[l] < least) least = (int32_t)input[l];
  }
  for (int l = 0; l < 32; l++) {
    u32 alike = 0;
    for (int k = 0; k < 32; k++) alike |= (u32)((input[k] & 3) == (input[l] & 3)) << k;
    assert_int_equal(r.out[l], ballot);
    assert_int_equal(r.out[32 + l], (ballot != 0) | (ballot == 0) << 1 | (ballot == 0 || ballot == UINT32_MAX) << 2);
    assert_int_equal(r.out[64 + l], alike);
    assert_int_equal(r.out[96 + l], 0);
    assert_int_equal(r.out[128 + l], sum);
    assert_int_equal(r.out[160 + l], (u32)least);
    assert_int_equal(r.out[192 + l], all_xor);
    assert_int_equal(r.out[224 + l], ballot >> l & 1 ? ballot : 7);
    assert_int_equal(r.out[256 + l], l ? 0 : 100);
  }
  shut(r.f);
}

// Two halves of a warp shuffle on their own, far apart, each under its own mask.
static void parted_shuffles(void **state) {
  const char *body = "setp.lt.u32 %p1, %r1, 16; @%p1 bra LOW; shfl.sync.idx.b32 %r2, %r1, 20, 31, 0xffff0000; bra ON; LOW: shfl.sync.idx.b32 %r2, %r1, 3, 31, 0x0000ffff; ON: st.global.u32 [%d5], %r2;";
  run r = execute("", body, 1, 32, 0, input);
  for (int l = 0; l < 32; l++) assert_int_equal(r.out[l], l < 16 ? 3 : 20);
  shut(r.f);
}

// ---- atomics

static void atomics(void **state) {
  const char *body =
      "mov.u64 %d6, %d2; atom.global.add.u32 %r2, [%d6], 3; atom.global.max.s32 %r3, [%d6+4], %r1; atom.global.min.u32 %r3, [%d6+8], %r1; red.global.or.b32 [%d6+12], 5;"
      "red.global.and.b32 [%d6+16], %r1; red.global.xor.b32 [%d6+20], %r1; atom.global.inc.u32 %r4, [%d6+24], 9; atom.global.dec.u32 %r4, [%d6+28], 9;"
      "cvt.rn.f32.u32 %f1, %r1; red.global.add.f32 [%d6+32], %f1; cvt.f64.f32 %d7, %f1; red.global.add.f64 [%d6+40], %d7; atom.global.exch.b32 %r5, [%d6+48], %r1;"
      "L: atom.global.cas.b32 %r6, [%d6+52], 0, 1; setp.ne.u32 %p1, %r6, 0; cvt.u64.u32 %d8, %r1; red.global.add.u64 [%d6+56], %d8;"
      "st.global.u32 [%d5+256], %r2; red.shared.add.u32 [sm], 0;";
  char with[2048];
  snprintf(with, sizeof with, "setp.eq.u32 %%p3, %%r1, 0; @%%p3 st.shared.u32 [sm], 0; bar.sync 0; %s", body);
  run r = execute("", with, 1, 64, 0, input);
  double sum64;
  float sum;
  memcpy(&sum, &r.out[8], 4), memcpy(&sum64, &r.out[10], 8);
  assert_int_equal(r.out[0], 192);
  assert_int_equal(r.out[1], 63);
  assert_int_equal(r.out[2], 0);
  assert_int_equal(r.out[3], 5);
  assert_int_equal(r.out[4], 0);
  assert_int_equal(r.out[5], 0);   // 0 ^ 1 ^ ... ^ 63
  assert_int_equal(r.out[6], 64 % 10);
  assert_int_equal(r.out[7], 6);   // 0 goes to 9, then down: 64 steps of 10
  assert_true(sum == 63 * 64 / 2 && sum64 == 63 * 64 / 2);
  assert_true(r.out[12] == 63 || r.out[12] == 31);   // the last lane of either warp
  assert_int_equal(r.out[13], 1);
  assert_int_equal(r.out[14], 63 * 64 / 2);
  uint64_t turns = 0;   // each lane saw another value
  for (u32 k = 0; k < 64; k++) turns |= r.out[64 + k] % 3 ? 0 : 1ull << r.out[64 + k] / 3;
  assert_true(turns == UINT64_MAX);
  shut(r.f);
}

// ---- barriers

static void barrier_reductions(void **state) {
  const char *body = "ld.global.u32 %r2, [%d4]; and.b32 %r3, %r2, 1; setp.eq.u32 %p1, %r3, 1; bar.red.popc.u32 %r4, 0, %p1; bar.red.and.pred %p2, 0, !%p1; bar.red.or.pred %p3, 1, 96, %p1;"
                     "selp.u32 %r5, 1, 0, %p2; selp.u32 %r6, 2, 0, %p3; or.b32 %r5, %r5, %r6; st.global.u32 [%d5], %r4; st.global.u32 [%d5+1024], %r5;";
  for (uint64_t seed = 0; seed < 3; seed++) {
    run r = execute("", body, 1, 96, seed, input);
    u32 odd = 0;
    for (int k = 0; k < 96; k++) odd += input[k] & 1;
    for (int k = 0; k < 96; k++) {
      assert_int_equal(r.out[k], odd);
      assert_int_equal(r.out[256 + k], odd ? 2 : 1);
    }
    shut(r.f);
  }
}

// ---- matrices

static float half_value(u32 word, int part) {
  uint16_t bits = (uint16_t)(word >> 16 * part);
  _Float16 x;
  memcpy(&x, &bits, 2);
  return (float)x;
}

// ldmatrix puts an 8 x 8 tile of 16-bit elements into fragments; stmatrix takes it back; .trans transposes.
static void matrix_moves(void **state) {
  const char *body = "shl.b32 %r2, %r1, 4; mov.u32 %r3, sm; add.s32 %r3, %r3, %r2; mul.wide.u32 %d6, %r1, 16; add.s64 %d7, %d1, %d6; ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%d7];"
      "st.shared.v4.u32 [%r3], {%r4, %r5, %r6, %r7}; bar.sync 0; ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r3];"
      "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r14, %r15}, [%r3]; mul.wide.u32 %d6, %r1, 32; add.s64 %d7, %d2, %d6; st.global.v4.u32 [%d7], {%r10, %r11, %r12, %r13};"
      "st.global.v2.u32 [%d7+16], {%r14, %r15}; stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%r3+512], {%r10, %r11, %r12, %r13}; bar.sync 0; ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r3+512];"
      "mul.wide.u32 %d6, %r1, 16; add.s64 %d7, %d2, %d6; st.global.v4.u32 [%d7+4096], {%r4, %r5, %r6, %r7};";
  run r = execute("", body, 1, 32, 0, input);
  const uint16_t *tiles = (const uint16_t *)input, *stored = (const uint16_t *)(r.out + 1024);
  for (int l = 0; l < 32; l++)
    for (int m = 0; m < 4; m++)
      for (int k = 0; k < 2; k++) {
        int row = l / 4, column = 2 * (l % 4) + k;
        assert_int_equal(r.out[8 * l + m] >> 16 * k & 0xffff, tiles[64 * m + 8 * row + column]);
        if (m < 2) assert_int_equal(r.out[8 * l + 4 + m] >> 16 * k & 0xffff, tiles[64 * m + 8 * column + row]);
        assert_int_equal(stored[64 * m + 8 * column + row], tiles[64 * m + 8 * row + column]);
      }
  weft_simt_counts counts;
  weft_simt_statistics(r.f.machine, &counts);
  assert_int_equal(counts.total.bank_conflicts, 0);
  shut(r.f);
}

// One mma on fragments laid out by the manual's figures, written here as they stand there.
typedef struct shape { const char *name, *type; int k, registers, elements; } shape;

static float small(u32 seed) { return (float)((int)(seed >> 7 & 31) - 16) / 8; }

static u32 packed(const char *type, float a, float b) {
  if (*type == 't') {
    u32 bits;
    memcpy(&bits, &a, 4);
    return bits;
  }
  _Float16 x = (_Float16)a, y = (_Float16)b;
  uint16_t p, q;
  memcpy(&p, &x, 2), memcpy(&q, &y, 2);
  u32 fa, fb;
  memcpy(&fa, &a, 4), memcpy(&fb, &b, 4);
  return *type == 'f' ? p | (u32)q << 16 : fa >> 16 | (fb >> 16) << 16;
}

static void matrix_product(void **state) {
  static const shape shapes[] = {{"m16n8k8", "tf32", 8, 4, 1}, {"m16n8k4", "tf32", 4, 2, 1}, {"m16n8k16", "f16", 16, 4, 2}, {"m16n8k16", "bf16", 16, 4, 2},
                                 {"m16n8k8", "bf16", 8, 2, 2}, {"m16n8k8", "f16", 8, 2, 2}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    const shape *at = &shapes[s];
    float a[16][16], b[16][8], c[16][8];
    u32 in[WORDS] = {0};
    for (int i = 0; i < 16; i++)
      for (int j = 0; j < 16; j++) a[i][j] = small(input[i * 16 + j]), b[i][j & 7] = small(input[512 + i * 8 + (j & 7)]), c[i][j & 7] = small(input[1024 + i * 8 + (j & 7)]);
    for (int l = 0; l < 32; l++) {
      int g = l >> 2, t = l & 3;
      u32 *w = in + 16 * l;
      if (at->elements == 1) {
        w[0] = packed("t", a[g][t], 0), w[1] = packed("t", a[g + 8][t], 0);
        w[4] = packed("t", b[t][g], 0);
        if (at->k == 8) w[2] = packed("t", a[g][t + 4], 0), w[3] = packed("t", a[g + 8][t + 4], 0), w[5] = packed("t", b[t + 4][g], 0);
      } else {
        w[0] = packed(at->type, a[g][2 * t], a[g][2 * t + 1]), w[1] = packed(at->type, a[g + 8][2 * t], a[g + 8][2 * t + 1]);
        w[4] = packed(at->type, b[2 * t][g], b[2 * t + 1][g]);
        if (at->k == 16) {
          w[2] = packed(at->type, a[g][2 * t + 8], a[g][2 * t + 9]), w[3] = packed(at->type, a[g + 8][2 * t + 8], a[g + 8][2 * t + 9]);
          w[5] = packed(at->type, b[2 * t + 8][g], b[2 * t + 9][g]);
        }
      }
      memcpy(w + 8, (float[]){c[g][2 * t], c[g][2 * t + 1], c[g + 8][2 * t], c[g + 8][2 * t + 1]}, 16);
    }
    char body[1024];
    snprintf(body, sizeof body,
        "mul.wide.u32 %%d6, %%r1, 64; add.s64 %%d7, %%d1, %%d6; ld.global.v4.u32 {%%r2, %%r3, %%r4, %%r5}, [%%d7]; ld.global.v2.u32 {%%r6, %%r7}, [%%d7+16]; ld.global.v4.f32 {%%f1, %%f2, %%f3, %%f4}, [%%d7+32];"
        "mma.sync.aligned.%s.row.col.f32.%s.%s.f32 {%%f2, %%f1, %%f5, %%f6}, {%%r2, %%r3%s}, {%%r6%s}, {%%f1, %%f2, %%f3, %%f4};"
        "mul.wide.u32 %%d6, %%r1, 16; add.s64 %%d7, %%d2, %%d6; st.global.v4.f32 [%%d7], {%%f2, %%f1, %%f5, %%f6};",
        at->name, at->type, at->type, at->registers == 4 ? ", %r4, %r5" : "", at->registers == 4 ? ", %r7" : "");
    run r = execute("", body, 1, 32, 0, in);
    for (int l = 0; l < 32; l++)
      for (int k = 0; k < 4; k++) {
        int row = (l >> 2) + (k >= 2 ? 8 : 0), column = 2 * (l & 3) + (k & 1);
        float sum = c[row][column], got;
        for (int j = 0; j < at->k; j++) sum += a[row][j] * b[j][column];   // exact: few bits
        memcpy(&got, &r.out[4 * l + k], 4);
        if (got != sum) fail_msg("%s %s: element %d of lane %d is %g, not %g", at->name, at->type, k, l, got, sum);
      }
    shut(r.f);
  }
}

static void matrix_product_of_bytes(void **state) {
  u32 in[WORDS] = {0};
  memcpy(in, input, 32 * 6 * 4);
  const char *body = "mul.wide.u32 %d6, %r1, 24; add.s64 %d7, %d1, %d6; ld.global.v2.u32 {%r2, %r3}, [%d7]; ld.global.v2.u32 {%r4, %r5}, [%d7+8]; ld.global.v2.u32 {%r6, %r7}, [%d7+16];"
      "mov.u32 %r8, 5; mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {%r10, %r11, %r12, %r13}, {%r2, %r3, %r4, %r5}, {%r6, %r7}, {%r8, %r8, %r8, %r8};"
      "mul.wide.u32 %d6, %r1, 16; add.s64 %d7, %d2, %d6; st.global.v4.u32 [%d7], {%r10, %r11, %r12, %r13};"
      "mov.u32 %r14, 0x3c003c00; mov.u32 %r15, 0; mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r16, %r17}, {%r14, %r14, %r14, %r14}, {%r14, %r14}, {%r14, %r15}; st.global.v2.u32 [%d7+1024], {%r16, %r17};";
  run r = execute("", body, 1, 32, 0, in);
  int a[16][32], b[32][8];
  for (int l = 0; l < 32; l++)
    for (int j = 0; j < 4; j++) {
      int g = l >> 2, t = l & 3;
      const u32 *w = in + 6 * l;
      a[g][4 * t + j] = (int8_t)(w[0] >> 8 * j), a[g + 8][4 * t + j] = (int8_t)(w[1] >> 8 * j);
      a[g][4 * t + j + 16] = (int8_t)(w[2] >> 8 * j), a[g + 8][4 * t + j + 16] = (int8_t)(w[3] >> 8 * j);
      b[4 * t + j][g] = (uint8_t)(w[4] >> 8 * j), b[4 * t + j + 16][g] = (uint8_t)(w[5] >> 8 * j);
    }
  for (int l = 0; l < 32; l++)
    for (int k = 0; k < 4; k++) {
      int row = (l >> 2) + (k >= 2 ? 8 : 0), column = 2 * (l & 3) + (k & 1), sum = 5;
      for (int j = 0; j < 32; j++) sum += a[row][j] * b[j][column];
      assert_int_equal((int)r.out[4 * l + k], sum);
      assert_true(half_value(r.out[256 + 4 * l + k / 2], k % 2) == (k < 2 ? 17 : 16));
    }
  shut(r.f);
}

// ---- memory

static void vectors_and_widths(void **state) {
  const char *body = "ld.global.v2.u64 {%d6, %d7}, [%d1]; add.s64 %d8, %d6, %d7; st.global.u64 [%d2], %d8; ld.global.v4.u16 {%h1, %h2, %h3, %h4}, [%d1]; cvt.u32.u16 %r2, %h3; st.global.u32 [%d2+8], %r2;"
      "ld.global.s8 %r3, [%d1+5]; st.global.u32 [%d2+12], %r3; ld.global.u8 %h5, [%d1+5]; st.global.v2.u8 [%d2+16], {%h5, %h5}; ld.global.s16 %d9, [%d1+6]; st.global.u64 [%d2+24], %d9;"
      "st.global.v4.f32 [%d2+32], {0f3F800000, 0f40000000, %f1, %f1}; ld.global.nc.L1::no_allocate.L2::128B.f32 %f3, [%d1]; st.global.f32 [%d2+48], %f3; prefetch.global.L2 [%d1];"
      "ld.volatile.global.u32 %r4, [%d1+4]; ld.relaxed.gpu.global.u32 %r5, [%d1+8]; ld.acquire.sys.u32 %r6, [%d1+12]; add.s32 %r4, %r4, %r5; add.s32 %r4, %r4, %r6; st.release.gpu.global.u32 [%d2+52], %r4;";
  run r = execute("", body, 1, 1, 0, input);
  uint64_t x, y, sum, wide;
  memcpy(&x, input, 8), memcpy(&y, input + 2, 8), memcpy(&sum, r.out, 8), memcpy(&wide, r.out + 6, 8);
  const uint8_t *bytes = (const uint8_t *)input;
  assert_true(sum == x + y);
  assert_int_equal(r.out[2], input[1] & 0xffff);
  assert_int_equal((int)r.out[3], (int8_t)bytes[5]);
  assert_int_equal(r.out[4], bytes[5] * 0x101);
  assert_true((int64_t)wide == (int16_t)(input[1] >> 16));
  assert_int_equal(r.out[8], 0x3f800000);
  assert_int_equal(r.out[9], 0x40000000);
  assert_int_equal(r.out[12], input[0]);
  assert_int_equal(r.out[13], input[1] + input[2] + input[3]);
  shut(r.f);
}

static void variables(void **state) {
  const char *before = ".const .align 4 .b32 table[4] = {3, 5, 0x7, -1};\n.visible .global .align 8 .u64 where = generic(data)+4;\n.global .b32 data[2] = {10, 20};\n.global .f32 half = 0f3F000000;\n"
                       ".shared .align 4 .u32 counter;\n.extern .shared .align 16 .b8 dynamic[];\n";
  const char *body = "mov.u64 %d6, table; cvta.const.u64 %d6, %d6; mul.wide.u32 %d7, %r1, 4; add.s64 %d6, %d6, %d7; ld.u32 %r2, [%d6]; ld.const.u32 %r3, [table+4]; add.s32 %r2, %r2, %r3; st.global.u32 [%d5], %r2;"
      "ld.global.u64 %d8, [where]; ld.u32 %r4, [%d8]; st.global.u32 [%d5+16], %r4; ld.global.f32 %f1, [half]; st.global.f32 [%d5+32], %f1;"
      "setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.u32 [counter], 0; bar.sync 0; red.shared.add.u32 [counter], 1; bar.sync 0; ld.shared.u32 %r5, [counter]; st.global.u32 [%d5+48], %r5;"
      "mov.u32 %r6, %dynamic_smem_size; st.global.u32 [%d5+64], %r6; mov.u64 %d9, counter; cvta.shared.u64 %d9, %d9; isspacep.shared %p2, %d9; isspacep.global %p3, %d9; selp.u32 %r7, 1, 0, %p2; selp.u32 %r8, 2, %r7, %p3;"
      "ld.u32 %r9, [%d9]; add.s32 %r8, %r8, %r9; st.global.u32 [%d5+80], %r8; cvta.to.shared.u64 %d9, %d9; cvt.u32.u64 %r10, %d9; mov.u32 %r11, counter; sub.s32 %r10, %r10, %r11; st.global.u32 [%d5+96], %r10;";
  run r = execute(before, body, 1, 4, 0, input);
  static const u32 table[] = {3, 5, 7, UINT32_MAX};
  for (int k = 0; k < 4; k++) {
    assert_int_equal(r.out[k], table[k] + 5);
    assert_int_equal(r.out[4 + k], 20);
    assert_int_equal(r.out[8 + k], 0x3f000000);
    assert_int_equal(r.out[12 + k], 4);
    assert_int_equal(r.out[16 + k], 0);
    assert_int_equal(r.out[20 + k], 1 + 4);
    assert_int_equal(r.out[24 + k], 0);
  }
  uint64_t bytes;
  u32 *data = weft_simt_variable(r.f.module, "data", &bytes);
  assert_int_equal(bytes, 8);
  assert_int_equal(data[1], 20);
  assert_null(weft_simt_variable(r.f.module, "nothing", &bytes));
  shut(r.f);
}

static void special_registers(void **state) {
  const char *body = "mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mad.lo.s32 %r4, %r2, %r3, %r1; mul.wide.u32 %d6, %r4, 32; add.s64 %d7, %d2, %d6; mov.u32 %r5, %laneid; mov.u32 %r6, %warpid; mov.u32 %r7, %nctaid.x;"
      "st.global.v4.u32 [%d7], {%r5, %r6, %r7, %r2}; mov.u32 %r8, %lanemask_lt; mov.u32 %r9, %lanemask_ge; mov.u32 %r10, %tid.y; mov.u32 %r11, WARP_SZ; st.global.v4.u32 [%d7+16], {%r8, %r9, %r10, %r11};";
  run r = execute("", body, 3, 48, 0, input);
  for (u32 t = 0; t < 144; t++) {
    u32 thread = t % 48, lane = thread % 32;
    const u32 expected[] = {lane, thread / 32, 3, t / 48, (1u << lane) - 1, ~((1u << lane) - 1), 0, 32};
    assert_memory_equal(r.out + 8 * t, expected, sizeof expected);
  }
  shut(r.f);
}

static void control(void **state) {
  const char *before = ".func (.param .b32 result) fact(.param .b32 n) {\n.reg .b32 %r<4>; .reg .pred %p;\nld.param.u32 %r1, [n]; mov.u32 %r2, 1;\nL: setp.le.u32 %p, %r1, 1; @%p bra D; mul.lo.u32 %r2, %r2, %r1; sub.u32 %r1, %r1, 1; bra L;\nD: st.param.b32 [result], %r2;\nret;\n}\n"
                       ".func (.param .b32 result) twice(.param .b32 n) {\n.reg .b32 %r<4>;\nld.param.u32 %r1, [n];\n{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r1; call.uni (b), fact, (a); ld.param.b32 %r2, [b]; }\nadd.s32 %r2, %r2, %r2; st.param.b32 [result], %r2; ret;\n}\n";
  const char *body = "and.b32 %r2, %r1, 7; { .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; call (b), twice, (a); ld.param.b32 %r3, [b]; } st.global.u32 [%d5], %r3;"
      "and.b32 %r4, %r1, 3; T: .branchtargets A, B, C, B; brx.idx %r4, T; A: mov.u32 %r5, 10; bra E; B: mov.u32 %r5, 20; bra E; C: mov.u32 %r5, 30; E: st.global.u32 [%d5+256], %r5;"
      "setp.gt.u32 %p1, %r1, 40; @%p1 ret; mov.u32 %r6, 0; mov.u32 %r7, 0; W: add.s32 %r7, %r7, %r6; add.s32 %r6, %r6, 1; setp.le.u32 %p2, %r6, %r1; @%p2 bra W; st.global.u32 [%d5+512], %r7;";
  run r = execute(before, body, 1, 64, 0, input);
  static const u32 factorials[] = {1, 1, 2, 6, 24, 120, 720, 5040}, branch[] = {10, 20, 30, 20};
  for (u32 k = 0; k < 64; k++) {
    assert_int_equal(r.out[k], 2 * factorials[k & 7]);
    assert_int_equal(r.out[64 + k], branch[k & 3]);
    assert_int_equal(r.out[128 + k], k > 40 ? 0 : k * (k + 1) / 2);
  }
  shut(r.f);
}

static void copies(void **state) {   // 16 bytes a thread, part of them zeros, one ignored by its predicate
  const char *body = "shl.b32 %r2, %r1, 4; mov.u32 %r3, sm; add.s32 %r3, %r3, %r2; cvt.u64.u32 %d6, %r2; add.s64 %d7, %d1, %d6; add.s64 %d8, %d2, %d6; and.b32 %r4, %r1, 15; setp.eq.u32 %p1, %r1, 5;"
      "@!%p1 cp.async.cg.shared.global [%r3], [%d7], 16, %r4; @%p1 cp.async.cg.shared.global.L2::128B [%r3], [%d7], 16, %p1; cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;"
      "ld.shared.v4.u32 {%r5, %r6, %r7, %r8}, [%r3]; st.global.v4.u32 [%d8], {%r5, %r6, %r7, %r8};";
  for (uint64_t seed = 0; seed < 4; seed++) {
    run r = execute("", body, 1, 64, seed, input);
    for (int k = 0; k < 64; k++) {
      uint8_t expected[16] = {0};
      memcpy(expected, input + 4 * k, k == 5 ? 0 : (size_t)(k & 15));
      assert_memory_equal(r.out + 4 * k, expected, 16);
    }
    shut(r.f);
  }
}

static void bank_conflicts(void **state) {
  static const struct { const char *body; uint64_t accesses, conflicts; } cases[] = {
      {"shl.b32 %r2, %r1, 2; mov.u32 %r3, sm; add.s32 %r3, %r3, %r2; st.shared.u32 [%r3], %r1;", 1, 0},
      {"shl.b32 %r2, %r1, 3; mov.u32 %r3, sm; add.s32 %r3, %r3, %r2; st.shared.u32 [%r3], %r1;", 1, 1},
      {"shl.b32 %r2, %r1, 7; mov.u32 %r3, sm; add.s32 %r3, %r3, %r2; st.shared.u32 [%r3], %r1;", 1, 31},
      {"shl.b32 %r2, %r1, 4; mov.u32 %r3, sm; add.s32 %r3, %r3, %r2; st.shared.v4.u32 [%r3], {%r1, %r1, %r1, %r1};", 4, 0},
      {"st.shared.u32 [sm], 1;", 1, 0},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    run r = execute("", cases[k].body, 1, 32, 0, input);
    weft_simt_counts counts;
    weft_simt_statistics(r.f.machine, &counts);
    assert_int_equal(counts.row[0].shared_accesses, cases[k].accesses);
    assert_int_equal(counts.row[0].bank_conflicts, cases[k].conflicts);
    shut(r.f);
  }
  run r = execute("", "mul.wide.u32 %d6, %r1, 64; add.s64 %d7, %d1, %d6; ld.global.u32 %r2, [%d7];", 1, 32, 0, input);   // a sector each
  weft_simt_counts counts;
  weft_simt_statistics(r.f.machine, &counts);
  assert_int_equal(counts.row[0].global_sectors, 32);
  assert_int_equal(counts.row[0].global_sectors_ideal, 4);
  shut(r.f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shuffles), cmocka_unit_test(votes), cmocka_unit_test(parted_shuffles), cmocka_unit_test(atomics), cmocka_unit_test(barrier_reductions),
      cmocka_unit_test(matrix_moves), cmocka_unit_test(matrix_product), cmocka_unit_test(matrix_product_of_bytes), cmocka_unit_test(vectors_and_widths),
      cmocka_unit_test(variables), cmocka_unit_test(special_registers), cmocka_unit_test(control), cmocka_unit_test(copies), cmocka_unit_test(bank_conflicts),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
