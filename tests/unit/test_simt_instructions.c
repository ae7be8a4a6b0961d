// Each instruction of the PTX machine against C, on random operands and edges (0, -1, limits, NaN, infinities, denormals).
#include <fenv.h>
#include "simt_fixture.h"

typedef uint64_t u64;
typedef int64_t s64;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint16_t u16;
typedef int16_t s16;
typedef u64 (*reference)(u64 x, u64 y, u64 z);
typedef enum kind { BITS, F16, BF16, F32, F64, NEAR } kind;   // how results compare: NaNs are equal; NEAR: f32, 2^-20

enum { N = 1024 };

static float f32(u64 x) { u32 u = (u32)x; float f; memcpy(&f, &u, 4); return f; }
static u64 b32(float f) { u32 u; memcpy(&u, &f, 4); return u; }
static double f64(u64 x) { double f; memcpy(&f, &x, 8); return f; }
static u64 b64(double f) { u64 u; memcpy(&u, &f, 8); return u; }
static float h(u64 x) { u16 u = (u16)x; _Float16 f; memcpy(&f, &u, 2); return (float)f; }
static u64 bh(double f) { _Float16 g = (_Float16)f; u16 u; memcpy(&u, &g, 2); return u; }
static float bf(u64 x) { return f32((u64)(u16)x << 16); }
static u64 bbf(float f) {   // nearest, ties to even
  u32 u = (u32)b32(f);
  if (f != f) return 0x7fff;
  return (u16)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static float flush(float x) { return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x; }
static u64 under(int mode, float (*op)(float, float), u64 x, u64 y) {
  fesetround(mode);
  volatile float a = f32(x), b = f32(y);
  volatile float r = op(a, b);
  fesetround(FE_TONEAREST);
  return b32(r);
}
static float plus(float a, float b) { return a + b; }
static float times(float a, float b) { return a * b; }
static float over(float a, float b) { return a / b; }
static float root(float a, float b) { (void)b; return sqrtf(a); }

static u64 operand(u64 *state) {
  static const u64 edges[] = {0, 1, 2, 0xffffffffffffffff, 0x8000000000000000, 0x7fffffffffffffff, 0x80000000, 0x7fffffff, 0xffffffff,
                              0x8000, 0x7fff, 0x3f800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x00000001, 0x807fffff, 0x7f7fffff,
                              0x3ff0000000000000, 0x7ff0000000000000, 0x7ff8000000000000, 0x000fffffffffffff, 0x7c00, 0xfc00, 0x7e00, 0x03ff,
                              31, 32, 33, 63, 64, 0x4f000000, 0x5f000000, 0xcf000000, 0x437f0000};
  u64 r = random_bits(state);
  switch (r & 7) {
    case 0: return edges[(r >> 8) % (sizeof edges / sizeof *edges)];
    case 1: return (u64)(s64)(s32)((r >> 8 & 0xff) - 128);              // small integers
    case 2: return b32((float)((s32)(r >> 20 & 0xffff) - 32768) / 256) | (r >> 32 << 32);
    case 3: return b64((double)((s32)(r >> 20 & 0xffffff) - 8388608) / 4096);
    default: return r;
  }
}

static bool same(u64 got, u64 expected, kind how) {
  if (got == expected) return true;
  switch (how) {
    case F16: return h(got) != h(got) && h(expected) != h(expected);
    case BF16: return bf(got) != bf(got) && bf(expected) != bf(expected);
    case F32: return f32(got) != f32(got) && f32(expected) != f32(expected);
    case F64: return f64(got) != f64(got) && f64(expected) != f64(expected);
    case NEAR:
      if (f32(expected) != f32(expected)) return f32(got) != f32(got);
      return fabsf(f32(got) - f32(expected)) <= 0x1p-20f * fabsf(f32(expected));
    case BITS: return false;
  }
  return false;
}

static const char *name_of(int width, const char *letter, char *out) {
  sprintf(out, "%%%s%s", letter, width == 16 ? "h" : width == 32 ? "r" : "d");
  return out;
}

// instruction: the text with d, a, b, c for registers of the given widths (0: unused); results are compared as `how`.
static void check(const char *instruction, int wd, int wa, int wb, int wc, kind how, reference expect, u32 block) {
  char text[4096], body[1024] = "", *to = body;
  for (const char *at = instruction; *at; at++) {   // $d $a $b $c
    if (*at == '$') {
      char letter[2] = {*++at, 0}, name[8];
      int width = *at == 'd' ? wd : *at == 'a' ? wa : *at == 'b' ? wb : wc;
      to += sprintf(to, "%s", name_of(width, letter, name));
    } else {
      *to++ = *at;
    }
  }
  *to = 0;
  int size = snprintf(text, sizeof text,
      ".version 8.6\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 x, .param .u64 out) {\n"
      ".reg .b16 %%dh, %%ah, %%bh, %%ch, %%th; .reg .b32 %%dr, %%ar, %%br, %%cr, %%i, %%tr; .reg .b64 %%dd, %%ad, %%bd, %%cd, %%p, %%q, %%o;\n"
      ".reg .pred %%u, %%v, %%w;\n"
      "ld.param.u64 %%p, [x]; ld.param.u64 %%q, [out]; mov.u32 %%i, %%tid.x; mov.u32 %%tr, %%ctaid.x; mad.lo.s32 %%i, %%tr, %u, %%i;\n"
      "mul.wide.u32 %%o, %%i, 24; add.s64 %%p, %%p, %%o; mul.wide.u32 %%o, %%i, 8; add.s64 %%q, %%q, %%o;\n"
      "ld.global.u64 %%ad, [%%p]; ld.global.u64 %%bd, [%%p+8]; ld.global.u64 %%cd, [%%p+16];\n"
      "cvt.u32.u64 %%ar, %%ad; cvt.u32.u64 %%br, %%bd; cvt.u32.u64 %%cr, %%cd; cvt.u16.u64 %%ah, %%ad; cvt.u16.u64 %%bh, %%bd; cvt.u16.u64 %%ch, %%cd;\n"
      "mov.u64 %%dd, 0; mov.u32 %%dr, 0; mov.u16 %%dh, 0;\n"
      "%s\n%s st.global.u64 [%%q], %%dd;\nret;\n}\n",
      block, body, wd == 16 ? "cvt.u64.u16 %dd, %dh;" : wd == 32 ? "cvt.u64.u32 %dd, %dr;" : "");
  fixture f = open_text(instruction, text, (size_t)size, 1, 0);
  u64 *x = room(f, N * 24), *out = room(f, N * 8), random = 99;
  for (int k = 0; k < 3 * N; k++) x[k] = operand(&random);
  ok(weft_simt_mark_initialised(f.machine, x, N * 24));
  ok(start(f, "k", N / block, 1, block, 1, 0, (void *[]){&x, &out}));
  for (int k = 0; k < N; k++) {
    u64 a = x[3 * k], b = x[3 * k + 1], c = x[3 * k + 2], expected = expect(a, b, c);
    if (wd < 64) expected &= (1ull << wd) - 1;
    if (!same(out[k], expected, how))
      fail_msg("%s\n of 0x%llx, 0x%llx, 0x%llx: 0x%llx, not 0x%llx", instruction, (unsigned long long)a, (unsigned long long)b,
               (unsigned long long)c, (unsigned long long)out[k], (unsigned long long)expected);
  }
  shut(f);
}

// Whole warps (plain loops) and blocks of 4 threads less (the masked ones: those that are not there do not count as off, so
// the instruction also runs under a guard below).
#define CHECK(instruction, wd, wa, wb, wc, how, expression)                              \
  {                                                                                      \
    u64 expect(u64 x, u64 y, u64 z) { (void)x, (void)y, (void)z; return (u64)(expression); } \
    check(instruction, wd, wa, wb, wc, how, expect, 128);                                \
    u64 masked(u64 x, u64 y, u64 z) { return (s32)(u32)z < 0 ? (u64)(expression) : ((void)x, (void)y, 0); } \
    if (strchr(instruction, ';') == strrchr(instruction, ';'))                           \
      check("setp.lt.s32 %w, %cr, 0; @%w " instruction, wd, wa, wb, wc, how, masked, 128); \
  }

#define EACH_WIDTH(X) X(16, u16, s16) X(32, u32, s32) X(64, u64, s64)

static void integers(void **state) {
#define X(W, U, S)                                                                                                        \
  CHECK("add.u" #W " $d, $a, $b;", W, W, W, W, BITS, (U)x + (U)y) CHECK("sub.s" #W " $d, $a, $b;", W, W, W, W, BITS, (U)x - (U)y)      \
  CHECK("mul.lo.s" #W " $d, $a, $b;", W, W, W, W, BITS, (u64)(U)x * (U)y)                                                 \
  CHECK("mul.hi.u" #W " $d, $a, $b;", W, W, W, W, BITS, (unsigned __int128)(U)x * (U)y >> W)                              \
  CHECK("mul.hi.s" #W " $d, $a, $b;", W, W, W, W, BITS, (__int128)(S)x * (S)y >> W)                                       \
  CHECK("mad.lo.u" #W " $d, $a, $b, $c;", W, W, W, W, BITS, (u64)(U)x * (U)y + z)                                         \
  CHECK("mad.hi.s" #W " $d, $a, $b, $c;", W, W, W, W, BITS, (U)((__int128)(S)x * (S)y >> W) + (U)z)                       \
  CHECK("mad.hi.u" #W " $d, $a, $b, $c;", W, W, W, W, BITS, (U)((unsigned __int128)(U)x * (U)y >> W) + (U)z)              \
  CHECK("div.u" #W " $d, $a, $b;", W, W, W, W, BITS, (U)y ? (U)x / (U)y : ~0ull)                                          \
  CHECK("rem.u" #W " $d, $a, $b;", W, W, W, W, BITS, (U)y ? (U)x % (U)y : (U)x)                                           \
  CHECK("div.s" #W " $d, $a, $b;", W, W, W, W, BITS, (S)y == 0 ? ~0ull : (S)y == -1 ? 0ull - (U)x : (u64)((S)x / (S)y))         \
  CHECK("rem.s" #W " $d, $a, $b;", W, W, W, W, BITS, (S)y == 0 ? (u64)(U)x : (S)y == -1 ? 0ull : (u64)((S)x % (S)y))                 \
  CHECK("min.s" #W " $d, $a, $b;", W, W, W, W, BITS, (S)x < (S)y ? x : y) CHECK("max.s" #W " $d, $a, $b;", W, W, W, W, BITS, (S)x > (S)y ? x : y) \
  CHECK("min.u" #W " $d, $a, $b;", W, W, W, W, BITS, (U)x < (U)y ? x : y) CHECK("max.u" #W " $d, $a, $b;", W, W, W, W, BITS, (U)x > (U)y ? x : y) \
  CHECK("abs.s" #W " $d, $a;", W, W, W, W, BITS, (S)x < 0 ? 0ull - x : x) CHECK("neg.s" #W " $d, $a;", W, W, W, W, BITS, 0 - x) \
  CHECK("and.b" #W " $d, $a, $b;", W, W, W, W, BITS, x & y) CHECK("or.b" #W " $d, $a, $b;", W, W, W, W, BITS, x | y)      \
  CHECK("xor.b" #W " $d, $a, $b;", W, W, W, W, BITS, x ^ y) CHECK("not.b" #W " $d, $a;", W, W, W, W, BITS, ~x)            \
  CHECK("cnot.b" #W " $d, $a;", W, W, W, W, BITS, (U)x == 0)                                                              \
  CHECK("shl.b" #W " $d, $a, $b;", W, W, 32, W, BITS, (u32)y >= W ? 0 : x << (u32)y)                                      \
  CHECK("shr.u" #W " $d, $a, $b;", W, W, 32, W, BITS, (u32)y >= W ? 0 : (U)x >> (u32)y)                                   \
  CHECK("shr.s" #W " $d, $a, $b;", W, W, 32, W, BITS, (S)x >> ((u32)y >= W ? W - 1 : (u32)y))                             \
  CHECK("sad.u" #W " $d, $a, $b, $c;", W, W, W, W, BITS, ((U)x < (U)y ? y - x : x - y) + z)                               \
  CHECK("sad.s" #W " $d, $a, $b, $c;", W, W, W, W, BITS, ((S)x < (S)y ? y - x : x - y) + z)                               \
  CHECK("mov.b" #W " $d, $a;", W, W, W, W, BITS, x)                                                                       \
  CHECK("setp.lt.s32 %u, %cr, 5; selp.b" #W " $d, $a, $b, %u;", W, W, W, W, BITS, (s32)z < 5 ? x : y)                     \
  CHECK("slct.b" #W ".s32 $d, $a, $b, $c;", W, W, W, 32, BITS, (s32)z >= 0 ? x : y)
  EACH_WIDTH(X)
#undef X
  CHECK("mul.wide.u16 $d, $a, $b;", 32, 16, 16, 32, BITS, (u32)(u16)x * (u16)y) CHECK("mul.wide.s16 $d, $a, $b;", 32, 16, 16, 32, BITS, (s32)(s16)x * (s16)y)
  CHECK("mul.wide.u32 $d, $a, $b;", 64, 32, 32, 64, BITS, (u64)(u32)x * (u32)y) CHECK("mul.wide.s32 $d, $a, $b;", 64, 32, 32, 64, BITS, (s64)(s32)x * (s32)y)
  CHECK("mad.wide.u32 $d, $a, $b, $c;", 64, 32, 32, 64, BITS, (u64)(u32)x * (u32)y + z)
  CHECK("mad.wide.s32 $d, $a, $b, $c;", 64, 32, 32, 64, BITS, (u64)((s64)(s32)x * (s32)y) + z)
  CHECK("mad.wide.s16 $d, $a, $b, $c;", 32, 16, 16, 32, BITS, (u32)((s32)(s16)x * (s16)y) + (u32)z)
  CHECK("add.sat.s32 $d, $a, $b;", 32, 32, 32, 32, BITS, ({ s64 s = (s64)(s32)x + (s32)y; s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s; }))
  CHECK("sub.sat.s32 $d, $a, $b;", 32, 32, 32, 32, BITS, ({ s64 s = (s64)(s32)x - (s32)y; s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s; }))
  CHECK("mul24.lo.s32 $d, $a, $b;", 32, 32, 32, 32, BITS, (s64)((s32)(x << 8) >> 8) * ((s32)(y << 8) >> 8))
  CHECK("mul24.hi.u32 $d, $a, $b;", 32, 32, 32, 32, BITS, (x & 0xffffff) * (y & 0xffffff) >> 16)
  CHECK("mad24.lo.u32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, (x & 0xffffff) * (y & 0xffffff) + z)
}

static u64 field(u64 x, u32 at, u32 length, int bits, bool sign) {   // by the manual's program, bit by bit
  u64 out = 0;
  at &= 255, length &= 255;
  int last = at + length - 1 < (u32)bits - 1 ? (int)(at + length - 1) : bits - 1;
  u64 fill = sign && length ? x >> last & 1 : 0;
  for (int k = 0; k < bits; k++) {
    u64 bit = k < (int)length && (int)at + k < bits ? x >> (at + (u32)k) & 1 : fill;
    out |= (length ? bit : 0) << k;
  }
  return out;
}

static u64 inserted(u64 a, u64 b, u32 at, u32 length, int bits) {
  at &= 255, length &= 255;
  for (int k = 0; k < (int)length && (int)at + k < bits; k++) b = (b & ~(1ull << (at + (u32)k))) | (a >> k & 1) << (at + (u32)k);
  return b;
}

static u64 reversed(u64 x, int bits) {
  u64 out = 0;
  for (int k = 0; k < bits; k++) out |= (x >> k & 1) << (bits - 1 - k);
  return out;
}

static u64 bytes_picked(u64 x, u64 y, u64 z) {
  u64 all = (u32)x | (u64)(u32)y << 32, out = 0;
  for (int k = 0; k < 4; k++) {
    u64 s = z >> 4 * k & 15, byte = all >> 8 * (s & 7) & 255;
    out |= (s & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * k;
  }
  return out;
}

static void bits(void **state) {
  CHECK("bfe.u32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, field(x, (u32)y, (u32)z, 32, false)) CHECK("bfe.s32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, field(x, (u32)y, (u32)z, 32, true))
  CHECK("bfe.u64 $d, $a, $b, $c;", 64, 64, 32, 32, BITS, field(x, (u32)y, (u32)z, 64, false)) CHECK("bfe.s64 $d, $a, $b, $c;", 64, 64, 32, 32, BITS, field(x, (u32)y, (u32)z, 64, true))
  CHECK("bfi.b32 $d, $a, $b, $c, 7;", 32, 32, 32, 32, BITS, inserted((u32)x, (u32)y, (u32)z, 7, 32))
  CHECK("bfi.b64 $d, $a, $b, 9, $c;", 64, 64, 64, 32, BITS, inserted(x, y, 9, (u32)z, 64))
  CHECK("brev.b32 $d, $a;", 32, 32, 32, 32, BITS, reversed(x, 32)) CHECK("brev.b64 $d, $a;", 64, 64, 32, 32, BITS, reversed(x, 64))
  CHECK("clz.b32 $d, $a;", 32, 32, 32, 32, BITS, (u32)x ? __builtin_clz((u32)x) : 32) CHECK("clz.b64 $d, $a;", 32, 64, 32, 32, BITS, x ? __builtin_clzll(x) : 64)
  CHECK("popc.b32 $d, $a;", 32, 32, 32, 32, BITS, __builtin_popcount((u32)x)) CHECK("popc.b64 $d, $a;", 32, 64, 32, 32, BITS, __builtin_popcountll(x))
  CHECK("bfind.u32 $d, $a;", 32, 32, 32, 32, BITS, (u32)x ? 31 - __builtin_clz((u32)x) : -1)
  CHECK("bfind.s32 $d, $a;", 32, 32, 32, 32, BITS, ({ u32 v = (s32)x < 0 ? ~(u32)x : (u32)x; v ? 31 - __builtin_clz(v) : -1; }))
  CHECK("bfind.shiftamt.u64 $d, $a;", 32, 64, 32, 32, BITS, x ? __builtin_clzll(x) : -1)
  CHECK("prmt.b32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, bytes_picked(x, y, z))
  CHECK("prmt.b32.f4e $d, $a, $b, 3;", 32, 32, 32, 32, BITS, (((u64)(u32)y << 32 | (u32)x) >> 24))
  CHECK("lop3.b32 $d, $a, $b, $c, 0xe8;", 32, 32, 32, 32, BITS, (x & y) | (x & z) | (y & z)) CHECK("lop3.b32 $d, $a, $b, $c, 0x96;", 32, 32, 32, 32, BITS, x ^ y ^ z)
  CHECK("lop3.b32 $d, $a, $b, $c, 0xca;", 32, 32, 32, 32, BITS, (x & y) | (~x & z))
  CHECK("shf.l.wrap.b32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, ((u64)(u32)y << 32 | (u32)x) << (z & 31) >> 32)
  CHECK("shf.r.wrap.b32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, ((u64)(u32)y << 32 | (u32)x) >> (z & 31))
  CHECK("shf.l.clamp.b32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, (u32)z >= 32 ? (u32)x : ((u64)(u32)y << 32 | (u32)x) << ((u32)z & 31) >> 32)
  CHECK("shf.r.clamp.b32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, ((u64)(u32)y << 32 | (u32)x) >> ((u32)z > 32 ? 32 : (u32)z))
  CHECK("szext.wrap.s32 $d, $a, $b;", 32, 32, 32, 32, BITS, field(x, 0, y & 31, 32, true)) CHECK("szext.clamp.u32 $d, $a, $b;", 32, 32, 32, 32, BITS, field(x, 0, (u32)y > 32 ? 32 : (u32)y, 32, false))
  CHECK("bmsk.clamp.b32 $d, $a, $b;", 32, 32, 32, 32, BITS, (u32)x > 31 ? 0 : ((1ull << ((u32)y > 32 ? 32 : (u32)y)) - 1) << (u32)x)
  CHECK("bmsk.wrap.b32 $d, $a, $b;", 32, 32, 32, 32, BITS, ((1ull << (y & 31)) - 1) << (x & 31))
  CHECK("and.b32 %tr, $b, 31; fns.b32 $d, $a, %tr, 2;", 32, 32, 32, 32, BITS, ({ u32 m = (u32)x >> (y & 31); m &= m - 1; m ? (y & 31) + (u32)__builtin_ctz(m) : UINT32_MAX; }))
  CHECK("dp4a.s32.u32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, ({ u32 s = (u32)z; for (int k = 0; k < 4; k++) s += (u32)((int8_t)(x >> 8 * k) * (uint8_t)(y >> 8 * k)); s; }))
  CHECK("dp2a.hi.s32.s32 $d, $a, $b, $c;", 32, 32, 32, 32, BITS, ({ u32 s = (u32)z; for (int k = 0; k < 2; k++) s += (u32)((s16)(x >> 16 * k) * (int8_t)(y >> (16 + 8 * k))); s; }))
  CHECK("mov.b64 {%tr, %i}, $a; mov.b64 $d, {%i, %tr};", 64, 64, 64, 64, BITS, x >> 32 | x << 32)
  CHECK("mov.b32 {_, %th}, $a; mov.b32 $d, {%th, $b};", 32, 32, 16, 32, BITS, (x >> 16 & 0xffff) | (y & 0xffff) << 16)
  CHECK("mov.b64 {%ah, %bh, %ch, %th}, $a; mov.b64 $d, {%th, %ch, %bh, %ah};", 64, 64, 64, 64, BITS, x >> 48 | (x >> 32 & 0xffff) << 16 | (x >> 16 & 0xffff) << 32 | x << 48)
}

static void carries(void **state) {   // 128 bits from 32-bit halves of a and b: only the upper part of a sum shows the carry
  CHECK("mov.b64 {%ar, %br}, %ad; mov.b64 {%cr, %i}, %bd; add.cc.u32 %ar, %ar, %cr; addc.u32 %br, %br, %i; mov.b64 $d, {%ar, %br};", 64, 64, 64, 64, BITS, x + y)
  CHECK("mov.b64 {%ar, %br}, %ad; mov.b64 {%cr, %i}, %bd; sub.cc.u32 %ar, %ar, %cr; subc.cc.u32 %br, %br, %i; mov.b64 $d, {%ar, %br};", 64, 64, 64, 64, BITS, x - y)
  CHECK("add.cc.u64 %ad, %ad, %bd; addc.u64 $d, %cd, 0;", 64, 64, 64, 64, BITS, z + (x + y < x))
  CHECK("sub.cc.u64 %ad, %ad, %bd; subc.u64 $d, %cd, 0;", 64, 64, 64, 64, BITS, z - (x < y))
  CHECK("mad.lo.cc.u32 %tr, %ar, %br, %cr; madc.hi.u32 $d, %ar, %br, 7;", 32, 32, 32, 32, BITS, ({ u64 p = (u64)(u32)x * (u32)y; (p >> 32) + 7 + (((u64)(u32)p + (u32)z) >> 32); }))
}

static void floats(void **state) {
  CHECK("add.f32 $d, $a, $b;", 32, 32, 32, 32, F32, b32(f32(x) + f32(y))) CHECK("sub.rn.f32 $d, $a, $b;", 32, 32, 32, 32, F32, b32(f32(x) - f32(y)))
  CHECK("mul.f32 $d, $a, $b;", 32, 32, 32, 32, F32, b32(f32(x) * f32(y))) CHECK("fma.rn.f32 $d, $a, $b, $c;", 32, 32, 32, 32, F32, b32(fmaf(f32(x), f32(y), f32(z))))
  CHECK("div.rn.f32 $d, $a, $b;", 32, 32, 32, 32, F32, b32(f32(x) / f32(y))) CHECK("sqrt.rn.f32 $d, $a;", 32, 32, 32, 32, F32, b32(sqrtf(f32(x))))
  CHECK("rcp.rn.f32 $d, $a;", 32, 32, 32, 32, F32, b32(1 / f32(x)))
  CHECK("add.rz.f32 $d, $a, $b;", 32, 32, 32, 32, F32, under(FE_TOWARDZERO, plus, x, y)) CHECK("add.rp.f32 $d, $a, $b;", 32, 32, 32, 32, F32, under(FE_UPWARD, plus, x, y))
  CHECK("mul.rm.f32 $d, $a, $b;", 32, 32, 32, 32, F32, under(FE_DOWNWARD, times, x, y)) CHECK("div.rp.f32 $d, $a, $b;", 32, 32, 32, 32, F32, under(FE_UPWARD, over, x, y))
  CHECK("sqrt.rm.f32 $d, $a;", 32, 32, 32, 32, F32, under(FE_DOWNWARD, root, x, y))
  CHECK("add.ftz.f32 $d, $a, $b;", 32, 32, 32, 32, F32, b32(flush(flush(f32(x)) + flush(f32(y))))) CHECK("mul.ftz.f32 $d, $a, $b;", 32, 32, 32, 32, F32, b32(flush(flush(f32(x)) * flush(f32(y)))))
  CHECK("neg.ftz.f32 $d, $a;", 32, 32, 32, 32, F32, b32(-flush(f32(x)))) CHECK("abs.f32 $d, $a;", 32, 32, 32, 32, F32, b32(fabsf(f32(x)))) CHECK("neg.f32 $d, $a;", 32, 32, 32, 32, F32, b32(-f32(x)))
  CHECK("add.sat.f32 $d, $a, $b;", 32, 32, 32, 32, F32, ({ float s = f32(x) + f32(y); b32(s >= 1 ? 1 : s > 0 ? s : 0); }))
  CHECK("min.f32 $d, $a, $b;", 32, 32, 32, 32, F32, ({ float p = f32(x), q = f32(y); b32(p == 0 && q == 0 ? (signbit(p) ? p : q) : p != p ? q : q != q ? p : fminf(p, q)); }))
  CHECK("max.f32 $d, $a, $b;", 32, 32, 32, 32, F32, ({ float p = f32(x), q = f32(y); b32(p == 0 && q == 0 ? (signbit(p) ? q : p) : p != p ? q : q != q ? p : fmaxf(p, q)); }))
  CHECK("max.NaN.f32 $d, $a, $b;", 32, 32, 32, 32, F32, ({ float p = f32(x), q = f32(y); b32(p != p || q != q ? NAN : p == 0 && q == 0 ? (signbit(p) ? q : p) : p != p ? q : q != q ? p : fmaxf(p, q)); }))
  CHECK("copysign.f32 $d, $a, $b;", 32, 32, 32, 32, BITS, (y & 0x7fffffff) | (x & 0x80000000))
  CHECK("add.f64 $d, $a, $b;", 64, 64, 64, 64, F64, b64(f64(x) + f64(y))) CHECK("mul.rn.f64 $d, $a, $b;", 64, 64, 64, 64, F64, b64(f64(x) * f64(y)))
  CHECK("fma.rn.f64 $d, $a, $b, $c;", 64, 64, 64, 64, F64, b64(fma(f64(x), f64(y), f64(z)))) CHECK("div.rn.f64 $d, $a, $b;", 64, 64, 64, 64, F64, b64(f64(x) / f64(y)))
  CHECK("sqrt.rn.f64 $d, $a;", 64, 64, 64, 64, F64, b64(sqrt(f64(x)))) CHECK("neg.f64 $d, $a;", 64, 64, 64, 64, F64, x ^ 1ull << 63)
  CHECK("ex2.approx.f32 $d, $a;", 32, 32, 32, 32, NEAR, b32((float)exp2(f32(x)))) CHECK("lg2.approx.f32 $d, $a;", 32, 32, 32, 32, NEAR, b32((float)log2(f32(x))))
  CHECK("sin.approx.f32 $d, $a;", 32, 32, 32, 32, NEAR, b32((float)sin(f32(x)))) CHECK("cos.approx.ftz.f32 $d, $a;", 32, 32, 32, 32, NEAR, b32((float)cos(f32(x))))
  CHECK("tanh.approx.f32 $d, $a;", 32, 32, 32, 32, NEAR, b32((float)tanh(f32(x)))) CHECK("rsqrt.approx.f32 $d, $a;", 32, 32, 32, 32, NEAR, b32((float)(1 / sqrt(f32(x)))))
  CHECK("testp.subnormal.f32 %u, $a; selp.b32 $d, 1, 0, %u;", 32, 32, 32, 32, BITS, fpclassify(f32(x)) == FP_SUBNORMAL)
  CHECK("testp.finite.f64 %u, %ad; selp.b32 $d, 1, 0, %u;", 32, 64, 32, 32, BITS, isfinite(f64(x)) != 0)
}

static void narrow_floats(void **state) {
  CHECK("add.f16 $d, $a, $b;", 16, 16, 16, 16, F16, bh(h(x) + h(y))) CHECK("sub.rn.f16 $d, $a, $b;", 16, 16, 16, 16, F16, bh(h(x) - h(y)))
  CHECK("mul.f16 $d, $a, $b;", 16, 16, 16, 16, F16, bh(h(x) * h(y))) CHECK("fma.rn.f16 $d, $a, $b, $c;", 16, 16, 16, 16, F16, bh((double)h(x) * h(y) + h(z)))
  CHECK("neg.f16 $d, $a;", 16, 16, 16, 16, F16, x ^ 0x8000) CHECK("abs.f16 $d, $a;", 16, 16, 16, 16, F16, x & 0x7fff)
  CHECK("fma.rn.relu.f16 $d, $a, $b, $c;", 16, 16, 16, 16, F16, ({ double v = (double)h(x) * h(y) + h(z); bh(v > 0 || v != v ? v : 0); }))
  CHECK("max.f16 $d, $a, $b;", 16, 16, 16, 16, F16, ({ float p = h(x), q = h(y); bh(p == 0 && q == 0 ? (signbit(p) ? q : p) : p != p ? q : q != q ? p : fmaxf(p, q)); }))
  CHECK("add.f16x2 $d, $a, $b;", 32, 32, 32, 32, BITS, ({ u64 l = bh(h(x) + h(y)), t = bh(h(x >> 16) + h(y >> 16)); if (h(l) != h(l)) l = 0x7fff; if (h(t) != h(t)) t = 0x7fff; l | t << 16; }))
  CHECK("add.rn.bf16 $d, $a, $b;", 16, 16, 16, 16, BF16, bbf(bf(x) + bf(y))) CHECK("mul.rn.bf16 $d, $a, $b;", 16, 16, 16, 16, BF16, bbf(bf(x) * bf(y)))
  CHECK("ex2.approx.f16 $d, $a;", 16, 16, 16, 16, F16, bh(exp2(h(x)))) CHECK("tanh.approx.f16 $d, $a;", 16, 16, 16, 16, F16, bh(tanh(h(x))))
  CHECK("setp.gt.f16 %u, $a, $b; selp.b32 $d, 1, 0, %u;", 32, 16, 16, 16, BITS, h(x) > h(y)) CHECK("setp.neu.bf16 %u, $a, $b; selp.b32 $d, 1, 0, %u;", 32, 16, 16, 16, BITS, bf(x) != bf(y))
  CHECK("setp.lt.f16x2 %u|%v, $a, $b; selp.b32 $d, 1, 0, %u; selp.b32 %tr, 2, 0, %v; or.b32 $d, $d, %tr;", 32, 32, 32, 32, BITS, (h(x) < h(y)) | (h(x >> 16) < h(y >> 16)) << 1)
}

static void compares(void **state) {
#define COMPARE(op, type, width, c) CHECK("setp." op "." type " %u, $a, $b; selp.b32 $d, 1, 0, %u;", 32, width, width, width, BITS, (c) ? 1 : 0)
  COMPARE("eq", "s32", 32, (s32)x == (s32)y) COMPARE("ne", "b64", 64, x != y) COMPARE("lt", "s64", 64, (s64)x < (s64)y) COMPARE("le", "u16", 16, (u16)x <= (u16)y)
  COMPARE("gt", "s16", 16, (s16)x > (s16)y) COMPARE("ge", "u64", 64, x >= y) COMPARE("lo", "u32", 32, (u32)x < (u32)y) COMPARE("hs", "u32", 32, (u32)x >= (u32)y)
  COMPARE("ls", "u32", 32, (u32)x <= (u32)y) COMPARE("hi", "u32", 32, (u32)x > (u32)y)
#define ORDERED(f, t, w) \
  COMPARE("eq", t, w, f(x) == f(y)) COMPARE("ne", t, w, f(x) < f(y) || f(x) > f(y)) COMPARE("lt", t, w, f(x) < f(y)) COMPARE("ge", t, w, f(x) >= f(y))       \
  COMPARE("equ", t, w, !(f(x) < f(y) || f(x) > f(y))) COMPARE("neu", t, w, f(x) != f(y)) COMPARE("ltu", t, w, !(f(x) >= f(y))) COMPARE("leu", t, w, !(f(x) > f(y))) \
  COMPARE("gtu", t, w, !(f(x) <= f(y))) COMPARE("geu", t, w, !(f(x) < f(y))) COMPARE("num", t, w, f(x) == f(x) && f(y) == f(y)) COMPARE("nan", t, w, f(x) != f(x) || f(y) != f(y))
  ORDERED(f32, "f32", 32) ORDERED(f64, "f64", 64)
  COMPARE("lt.ftz", "f32", 32, flush(f32(x)) < flush(f32(y)))
  CHECK("setp.lt.s32 %w, %cr, 0; setp.lt.and.s32 %u|%v, $a, $b, !%w; selp.b32 $d, 1, 0, %u; selp.b32 %tr, 2, 0, %v; or.b32 $d, $d, %tr;", 32, 32, 32, 32, BITS,
        (s32)z >= 0 ? ((s32)x < (s32)y ? 1 : 2) : 0)
  CHECK("setp.lt.s32 %w, %cr, 0; setp.gt.xor.f32 %u, $a, $b, %w; selp.b32 $d, 1, 0, %u;", 32, 32, 32, 32, BITS, (f32(x) > f32(y)) ^ ((s32)z < 0))
  CHECK("set.lt.u32.f32 $d, $a, $b;", 32, 32, 32, 32, BITS, f32(x) < f32(y) ? 0xffffffff : 0) CHECK("set.ge.f32.s32 $d, $a, $b;", 32, 32, 32, 32, BITS, (s32)x >= (s32)y ? 0x3f800000 : 0)
  CHECK("setp.lt.s32 %u, $a, 0; setp.lt.s32 %v, $b, 0; xor.pred %w, %u, %v; not.pred %w, %w; and.pred %u, %u, %w; selp.b32 $d, 1, 0, %u;", 32, 32, 32, 32, BITS, (s32)x < 0 && (s32)y < 0)
}

static u64 clamped(double v, double low, double high, int bits) {
  if (v != v) return bits == 64 ? 1ull << 63 : 0;
  if (v < low) v = low;
  return v >= high ? (low < 0 ? (1ull << (bits - 1)) - 1 : bits == 64 ? ~0ull : (1ull << bits) - 1) : low < 0 ? (u64)(s64)v : (u64)v;
}

static void conversions(void **state) {
  CHECK("cvt.u32.u16 $d, $a;", 32, 16, 16, 16, BITS, (u16)x) CHECK("cvt.s32.s16 $d, $a;", 32, 16, 16, 16, BITS, (s32)(s16)x) CHECK("cvt.s64.s32 $d, $a;", 64, 32, 32, 32, BITS, (s64)(s32)x)
  CHECK("cvt.u64.u32 $d, $a;", 64, 32, 32, 32, BITS, (u32)x) CHECK("cvt.u32.u64 $d, $a;", 32, 64, 32, 32, BITS, x) CHECK("cvt.u16.u32 $d, $a;", 16, 32, 32, 32, BITS, x)
  CHECK("cvt.s16.s8 $d, $a;", 16, 16, 16, 16, BITS, (s16)(int8_t)x) CHECK("cvt.u32.u8 $d, $a;", 32, 32, 32, 32, BITS, (uint8_t)x) CHECK("cvt.s32.s8 $d, $a;", 32, 32, 32, 32, BITS, (s32)(int8_t)x)
  CHECK("cvt.sat.s16.s32 $d, $a;", 16, 32, 32, 32, BITS, (s32)x > 32767 ? 32767 : (s32)x < -32768 ? -32768 : (s32)x) CHECK("cvt.sat.u8.s32 $d, $a;", 32, 32, 32, 32, BITS, (s32)x < 0 ? 0 : (s32)x > 255 ? 255 : (s32)x)
  CHECK("cvt.rn.f32.s32 $d, $a;", 32, 32, 32, 32, F32, b32((float)(s32)x)) CHECK("cvt.rn.f32.u32 $d, $a;", 32, 32, 32, 32, F32, b32((float)(u32)x)) CHECK("cvt.rn.f32.u64 $d, $a;", 32, 64, 32, 32, F32, b32((float)x))
  CHECK("cvt.rn.f64.s64 $d, $a;", 64, 64, 32, 32, F64, b64((double)(s64)x)) CHECK("cvt.rz.f32.s32 $d, $a;", 32, 32, 32, 32, F32, ({ fesetround(FE_TOWARDZERO); volatile s32 v = (s32)x; volatile float r = (float)v; fesetround(FE_TONEAREST); b32(r); }))
  CHECK("cvt.rn.f32.f64 $d, $a;", 32, 64, 32, 32, F32, b32((float)f64(x))) CHECK("cvt.f64.f32 $d, $a;", 64, 32, 32, 32, F64, b64(f32(x)))
  CHECK("cvt.rzi.s32.f32 $d, $a;", 32, 32, 32, 32, BITS, clamped(trunc(f32(x)), -0x1p31, 0x1p31, 32)) CHECK("cvt.rni.u32.f32 $d, $a;", 32, 32, 32, 32, BITS, clamped(rint(f32(x)), 0, 0x1p32, 32))
  CHECK("cvt.rmi.s64.f32 $d, $a;", 64, 32, 32, 32, BITS, clamped(floor(f32(x)), -0x1p63, 0x1p63, 64)) CHECK("cvt.rpi.u16.f64 $d, $a;", 16, 64, 32, 32, BITS, clamped(ceil(f64(x)), 0, 65536, 16))
  CHECK("cvt.rzi.u64.f64 $d, $a;", 64, 64, 32, 32, BITS, clamped(trunc(f64(x)), 0, 0x1p64, 64))
  CHECK("cvt.rni.f32.f32 $d, $a;", 32, 32, 32, 32, F32, b32(rintf(f32(x)))) CHECK("cvt.rmi.f32.f32 $d, $a;", 32, 32, 32, 32, F32, b32(floorf(f32(x)))) CHECK("cvt.rpi.f64.f64 $d, $a;", 64, 64, 32, 32, F64, b64(ceil(f64(x))))
  CHECK("cvt.sat.f32.f32 $d, $a;", 32, 32, 32, 32, F32, b32(f32(x) >= 1 ? 1 : f32(x) > 0 ? f32(x) : 0)) CHECK("cvt.rn.ftz.f32.f64 $d, $a;", 32, 64, 32, 32, F32, b32(flush((float)f64(x))))
  CHECK("cvt.rn.f16.f32 $d, $a;", 16, 32, 32, 32, F16, bh(f32(x))) CHECK("cvt.f32.f16 $d, $a;", 32, 16, 32, 32, F32, b32(h(x))) CHECK("cvt.rn.f16.f64 $d, $a;", 16, 64, 32, 32, F16, bh(f64(x)))
  CHECK("cvt.rn.bf16.f32 $d, $a;", 16, 32, 32, 32, BF16, bbf(f32(x))) CHECK("cvt.f32.bf16 $d, $a;", 32, 16, 32, 32, F32, b32(bf(x))) CHECK("cvt.rz.bf16.f32 $d, $a;", 16, 32, 32, 32, BF16, f32(x) != f32(x) ? 0x7fff : (u32)x >> 16)
  CHECK("cvt.rn.bf16x2.f32 $d, $a, $b;", 32, 32, 32, 32, BITS, bbf(f32(x)) << 16 | bbf(f32(y))) CHECK("cvt.rn.relu.bf16x2.f32 $d, $a, $b;", 32, 32, 32, 32, BITS, bbf(f32(x) > 0 || f32(x) != f32(x) ? f32(x) : 0) << 16 | bbf(f32(y) > 0 || f32(y) != f32(y) ? f32(y) : 0))
  CHECK("cvt.rna.tf32.f32 $d, $a;", 32, 32, 32, 32, F32, isinf(f32(x)) ? x : f32(x) != f32(x) ? 0x7fffffff : ((u32)x + 0x1000) & 0xffffe000)
  CHECK("cvt.rn.satfinite.e4m3x2.f32 $d, $a, $b; and.b16 $d, $d, 0x7f7f; setp.eq.b16 %u, $d, 0x7f7f; selp.b16 $d, 1, 0, %u;", 16, 32, 32, 32, BITS, f32(x) != f32(x) && f32(y) != f32(y))
  CHECK("and.b16 %ah, %ah, 0x7777; cvt.rn.f16x2.e4m3x2 %tr, %ah; mov.b32 {%ch, %bh}, %tr; cvt.f32.f16 %br, %bh; cvt.f32.f16 %cr, %ch; cvt.rn.satfinite.e4m3x2.f32 %th, %br, %cr; xor.b16 $d, %th, %ah;", 16, 16, 16, 16, BITS, 0)
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers), cmocka_unit_test(bits), cmocka_unit_test(carries), cmocka_unit_test(floats),
      cmocka_unit_test(narrow_floats), cmocka_unit_test(compares), cmocka_unit_test(conversions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
