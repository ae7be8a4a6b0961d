// Each check of the PTX machine: a kernel with the fault is told with its place, its clean twin runs.
#include "simt_fixture.h"

#define HEAD ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p, .param .u64 q, .param .u32 n) {\n" \
  ".reg .b64 %d<20>; .reg .b32 %r<40>; .reg .f32 %f<10>; .reg .pred %p<10>; .reg .b16 %h<4>;\n"                            \
  ".shared .align 16 .b8 sm[1024]; .local .align 16 .b8 loc[64];\n"                                                         \
  "ld.param.u64 %d1, [p]; cvta.to.global.u64 %d1, %d1; ld.param.u64 %d2, [q]; cvta.to.global.u64 %d2, %d2;\n"                \
  "ld.param.u32 %r1, [n]; mov.u32 %r2, %tid.x; mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mov.u32 %r5, sm;\n"             \
  "shl.b32 %r6, %r2, 2; add.s32 %r7, %r5, %r6; mad.lo.s32 %r8, %r3, %r4, %r2; mul.wide.u32 %d3, %r8, 4; add.s64 %d4, %d1, %d3;\n"
// %r2 thread, %r3 block, %r7 &sm[thread], %r8 global thread, %d4 &p[global thread]

enum { COUNT = 256 };
typedef struct run { fixture f; uint32_t *p, *q; } run;

static run begin(const char *body, int threads, uint64_t seed) {
  char text[4096];
  int size = snprintf(text, sizeof text, "%s%s\nret;\n}\n", HEAD, body);
  run r = {.f = open_text("k.ptx", text, (size_t)size, threads, seed)};
  r.p = zeroed(r.f, COUNT * 4);
  r.q = room(r.f, COUNT * 4);
  return r;
}

static weft_status *go(run *r, uint32_t grid, uint32_t block, uint32_t n) {
  return start(r->f, "k", grid, 1, block, 1, 0, (void *[]){&r->p, &r->q, &n});
}

static void bad(const char *body, uint32_t grid, uint32_t block, uint32_t n, const char *what, const char *also) {
  for (uint64_t seed = 0; seed < 3; seed++) {
    run r = begin(body, 2, seed);
    weft_status *status = go(&r, grid, block, n);
    if (!status) fail_msg("no fault with seed %d: %s", (int)seed, body);
    faults(status, "kernel k", what, also, NULL);
    weft_simt_counts counts;
    weft_simt_statistics(r.f.machine, &counts);
    assert_int_equal(counts.faults, 1);
    shut(r.f);
  }
}

static void good(const char *body, uint32_t grid, uint32_t block, uint32_t n) {
  for (uint64_t seed = 0; seed < 3; seed++) {
    run r = begin(body, 2, seed);
    ok(go(&r, grid, block, n));
    shut(r.f);
  }
}

static void global_bounds(void **state) {
  const char *store = "st.global.u32 [%d4], %r2;";
  bad(store, 9, 32, 0, "write of 4 bytes that ends 4 bytes past an allocation of 1024", "block (8, 0, 0), thread (0, 0, 0)");
  good(store, 8, 32, 0);
  bad("ld.global.u32 %r9, [%d1+-4];", 1, 32, 0, "4 bytes before an allocation of 1024", "address 0x");
  bad("mov.u64 %d5, 64; ld.global.u32 %r9, [%d5];", 1, 32, 0, "in no allocation", "k.ptx:10");
  bad("ld.global.v4.u32 {%r9, %r10, %r11, %r12}, [%d1+1024];", 1, 1, 0, "out of bounds: read of 16 bytes", "thread (0, 0, 0)");
}

static void alignment(void **state) {
  bad("ld.global.u32 %r9, [%d1+2];", 1, 32, 0, "misaligned: 4 bytes", "ld.global.u32");
  bad("ld.global.v2.u32 {%r9, %r10}, [%d1+4];", 1, 32, 0, "misaligned: 8 bytes", "lanes 0x00000001");
  good("ld.global.v2.u32 {%r9, %r10}, [%d1+8];", 1, 32, 0);
  bad("st.shared.u32 [sm+2], %r2;", 1, 1, 0, "misaligned", "k.ptx:10");
  bad("st.local.u32 [loc+2], %r2;", 1, 1, 0, "misaligned", "k.ptx:10");
}

static void use_after_free(void **state) {
  run r = begin("ld.global.u32 %r9, [%d4];", 1, 0);
  ok(go(&r, 1, 32, 0));
  ok(weft_simt_free(r.f.machine, r.p));
  faults(go(&r, 1, 32, 0), "free already", "0 bytes into an allocation of 1024", NULL);
  weft_status *status = weft_simt_free(r.f.machine, r.p);
  assert_int_equal(weft_status_code(status), WEFT_BAD_INPUT);
  weft_status_free(status);
  shut(r.f);
}

static void uninitialised(void **state) {
  const char *load = "add.s64 %d5, %d2, %d3; ld.global.u32 %r9, [%d5];";
  bad(load, 1, 32, 0, "uninitialised global memory, 0 bytes into an allocation of 1024", "lanes 0x00000001");
  run r = begin(load, 1, 0);
  ok(weft_simt_mark_initialised(r.f.machine, r.q, 128));
  ok(go(&r, 1, 32, 0));
  ok(weft_simt_mark_uninitialised(r.f.machine, r.q + 5, 1));   // one byte
  faults(go(&r, 1, 32, 0), "uninitialised global memory, 20 bytes", "lane", NULL);
  shut(r.f);
  bad("ld.shared.u32 %r9, [%r7];", 1, 32, 0, "uninitialised shared memory", "k.ptx:10");
  good("st.shared.u32 [%r7], %r2; ld.shared.u32 %r9, [%r7];", 1, 32, 0);
  bad("st.local.u32 [loc], %r2; ld.local.u64 %d5, [loc];", 1, 32, 0, "uninitialised local memory", "ld.local.u64");
  good("st.local.u32 [loc], %r2; st.local.u32 [loc+4], %r2; ld.local.u64 %d5, [loc];", 1, 32, 0);
}

static void other_bounds(void **state) {
  bad("st.shared.u32 [sm+1024], %r2;", 1, 1, 0, "out of bounds: 4 bytes of shared memory, which has 1024", "st.shared.u32");
  good("st.shared.u32 [sm+1020], %r2;", 1, 1, 0);
  bad("st.local.u32 [loc+64], %r2;", 1, 1, 0, "local memory, which has 64", "st.local.u32");
  bad("mov.u64 %d5, loc; cvta.local.u64 %d6, %d5; st.u32 [%d6+64], %r2;", 1, 1, 0, "local memory, which has 64", "st.u32");
  good("mov.u64 %d5, loc; cvta.local.u64 %d6, %d5; st.u32 [%d6+60], %r2; ld.local.u32 %r9, [loc+60];", 1, 1, 0);
  bad("ld.param.u32 %r9, [n+4];", 1, 1, 0, "of the parameters, which have 20", "ld.param.u32");
  bad("mov.u32 %r9, sm; cvt.u64.u32 %d5, %r9; cvta.shared.u64 %d6, %d5; st.u32 [%d6+2000], %r2;", 1, 1, 0, "of shared memory, which has 1024", "st.u32");
}

static void shared_races(void **state) {
  // the next thread's word, without and with a barrier
  const char *text = "st.shared.u32 [%%r7], %%r2; %s add.s32 %%r9, %%r2, 33; and.b32 %%r9, %%r9, 63; shl.b32 %%r9, %%r9, 2; add.s32 %%r9, %%r9, %%r5; ld.shared.u32 %%r10, [%%r9];";
  char body[512];
  snprintf(body, sizeof body, text, "");
  run r = begin(body, 1, 0);
  weft_status *status = go(&r, 1, 64, 0);   // the warps run one after the other: warp 0 reads what warp 1 has not written
  faults(status, "shared memory", NULL);
  shut(r.f);
  snprintf(body, sizeof body, text, "bar.warp.sync -1;");
  bad(body, 1, 64, 0, "shared memory", "k.ptx");
  snprintf(body, sizeof body, text, "bar.sync 0;");
  good(body, 1, 64, 0);
  // written again before all have read
  bad("st.shared.u32 [%r7], %r2; bar.sync 0; ld.shared.u32 %r9, [sm]; setp.eq.u32 %p1, %r2, 40; @%p1 st.shared.u32 [sm], %r2;", 1, 64, 0,
      "race in shared memory", "k.ptx:10");
  good("st.shared.u32 [%r7], %r2; bar.sync 0; ld.shared.u32 %r9, [sm]; bar.sync 0; setp.eq.u32 %p1, %r2, 40; @%p1 st.shared.u32 [sm], %r2;", 1, 64, 0);
  // within a warp
  bad("st.shared.u32 [%r7], %r2; xor.b32 %r9, %r7, 4; ld.shared.u32 %r10, [%r9];", 1, 32, 0, "race in shared memory: read of what lane 1 of warp 0 writes", "ld.shared");
  good("st.shared.u32 [%r7], %r2; bar.warp.sync 0xffffffff; xor.b32 %r9, %r7, 4; ld.shared.u32 %r10, [%r9];", 1, 32, 0);
  // bytes side by side are no race
  good("cvt.u16.u32 %h1, %r2; add.s32 %r9, %r5, %r2; st.shared.u8 [%r9], %h1; ld.shared.u8 %h2, [%r9];", 1, 64, 0);
  // atomics do not race with each other, but with plain accesses
  good("setp.eq.u32 %p1, %r2, 0; @%p1 st.shared.u32 [sm], 0; bar.sync 0; red.shared.add.u32 [sm], 1; bar.sync 0; ld.shared.u32 %r9, [sm];", 1, 64, 0);
  bad("setp.eq.u32 %p1, %r2, 0; @%p1 st.shared.u32 [sm], 0; bar.sync 0; red.shared.add.u32 [sm], 1; ld.shared.u32 %r9, [sm];", 1, 64, 0, "race in shared memory", "warp");
}

static void named_barriers(void **state) {
  // warp 0 writes and arrives, warp 1 waits and reads: ordered by barrier 1 alone
  const char *text = "setp.lt.u32 %%p1, %%r2, 32; @!%%p1 bra READ; st.shared.u32 [%%r7], %%r2; %s bra DONE; READ: %s ld.shared.u32 %%r9, [%%r7+-128]; DONE:";
  char body[512];
  snprintf(body, sizeof body, text, "bar.arrive 1, 64;", "bar.sync 1, 64;");
  good(body, 1, 64, 0);
  snprintf(body, sizeof body, text, "", "");
  bad(body, 1, 64, 0, "shared memory", "ld.shared.u32");
  snprintf(body, sizeof body, text, "bar.sync 2, 64;", "bar.sync 1, 64;");
  bad(body, 1, 64, 0, "barrier deadlock: warp 1 at barrier 1 (line 10; 32 of 64 threads), warp 0 at barrier 2", "bar.sync");
  snprintf(body, sizeof body, text, "bar.sync 1, 96;", "bar.sync 1, 64;");
  bad(body, 1, 64, 0, "where others wait for", "bar.sync");
}

static void colliding_stores(void **state) {
  bad("st.shared.u32 [sm], %r2;", 1, 32, 0, "another lane of this warp stores a different value", "st.shared.u32");
  good("st.shared.u32 [sm], %r4;", 1, 32, 0);
  bad("st.global.u32 [%d1], %r2;", 1, 32, 0, "another lane of this warp stores a different value", "st.global.u32");
  good("st.global.u32 [%d1], %r4;", 1, 32, 0);
}

static void block_races(void **state) {
  bad("st.global.u32 [%d1], %r4;", 4, 32, 0, "race between blocks: write of what block", "block (");
  bad("st.global.u32 [%d4], %r2; xor.b32 %r9, %r8, 32; mul.wide.u32 %d5, %r9, 4; add.s64 %d5, %d5, %d1; ld.global.u32 %r10, [%d5];", 2, 32, 0,
      "race between blocks", "of the same launch");
  bad("ld.global.u32 %r10, [%d1]; setp.eq.u32 %p1, %r8, 40; @%p1 st.global.u32 [%d1], %r4;", 2, 32, 0, "race between blocks", "block");
  good("ld.global.u32 %r10, [%d1]; st.global.u32 [%d4+512], %r4;", 2, 32, 0);
  good("red.global.add.u32 [%d1], 1;", 8, 32, 0);
  // neighbours' bytes of one word
  good("cvt.u64.u32 %d5, %r3; add.s64 %d5, %d5, %d1; cvt.u16.u32 %h1, %r3; st.global.u8 [%d5], %h1;", 8, 32, 0);
  // a kernel that hands over by a counter
  good("st.global.u32 [%d4+128], %r2; membar.gl; atom.global.add.u32 %r9, [%d1], 1; setp.ne.u32 %p1, %r9, 127; @%p1 bra END;"
       "membar.gl; ld.global.u32 %r10, [%d1+128]; END:", 4, 32, 0);
}

// Between the threads of a block, in global memory: the neighbour warp's word, without and with a barrier.
static void global_races(void **state) {
#define NEIGHBOUR "xor.b32 %r9, %r2, 32; mul.wide.u32 %d5, %r9, 4; add.s64 %d5, %d5, %d1; "
  bad(NEIGHBOUR "st.global.u32 [%d4], %r2; ld.global.u32 %r10, [%d5];", 1, 64, 0, "race in global memory", "with no barrier between");
  good(NEIGHBOUR "st.global.u32 [%d4], %r2; bar.sync 0; ld.global.u32 %r10, [%d5];", 1, 64, 0);
  bad(NEIGHBOUR "ld.global.u32 %r10, [%d5]; st.global.u32 [%d4], %r2;", 1, 64, 0, "race in global memory", "of this block");
  good(NEIGHBOUR "ld.global.u32 %r10, [%d5]; bar.sync 0; st.global.u32 [%d4], %r2;", 1, 64, 0);
  good(NEIGHBOUR "ld.global.u32 %r10, [%d4]; st.global.u32 [%d4], %r2; ld.global.u32 %r10, [%d4];", 1, 64, 0);   // its own
  bad("ld.global.u32 %r10, [%d1]; setp.eq.u32 %p1, %r2, 70; @%p1 st.global.u32 [%d1], %r2;", 1, 96, 0, "race in global memory", "of this block");
  good("ld.global.u32 %r10, [%d1]; bar.sync 0; setp.eq.u32 %p1, %r2, 70; @%p1 st.global.u32 [%d1], %r2;", 1, 96, 0);
  bad("xor.b32 %r9, %r2, 1; mul.wide.u32 %d5, %r9, 4; add.s64 %d5, %d5, %d1; st.global.u32 [%d4], %r2; ld.global.u32 %r10, [%d5];", 1, 32, 0,
      "race in global memory: read of what lane 1 of warp 0", "ld.global.u32");
  good("xor.b32 %r9, %r2, 1; mul.wide.u32 %d5, %r9, 4; add.s64 %d5, %d5, %d1; st.global.u32 [%d4], %r2; bar.warp.sync -1; ld.global.u32 %r10, [%d5];", 1, 32, 0);
  // bytes of one word: two warps, each its own, before and after
  good("and.b32 %r9, %r2, 31; shr.u32 %r10, %r2, 5; shl.b32 %r9, %r9, 2; add.s32 %r9, %r9, %r10; cvt.u64.u32 %d5, %r9; add.s64 %d5, %d5, %d1; cvt.u16.u32 %h1, %r2;"
       "ld.global.u8 %h2, [%d5]; st.global.u8 [%d5], %h1; ld.global.u8 %h2, [%d5]; st.global.u8 [%d5], %h2;", 1, 64, 0);
  good("red.global.add.u32 [%d1], 1; ld.volatile.global.u32 %r9, [%d1];", 1, 64, 0);
}

static void divergence(void **state) {
  bad("setp.lt.u32 %p1, %r2, 16; @%p1 bra A; bar.sync 0; bra B; A: bar.sync 0; B:", 1, 32, 0, "divergence: lanes 0x0000ffff are here, lanes 0xffff0000 wait elsewhere",
      "bar.sync");
  good("setp.lt.u32 %p1, %r2, 16; @%p1 bra A; add.s32 %r9, %r2, 1; bra B; A: add.s32 %r9, %r2, 2; B: bar.sync 0;", 1, 32, 0);
  good("setp.lt.u32 %p1, %r2, 16; @%p1 bra A; barrier.sync 0; bra B; A: barrier.sync 0; B:", 1, 32, 0);   // not aligned: by thread
  bad("setp.lt.u32 %p1, %r2, 16; @%p1 exit; shfl.sync.bfly.b32 %r9, %r2, 1, 31, -1;", 1, 32, 0, "divergence: lanes 0x0000ffff of the member mask 0xffffffff have exited",
      "shfl.sync.bfly.b32");
  good("setp.lt.u32 %p1, %r2, 16; @%p1 exit; shfl.sync.bfly.b32 %r9, %r2, 1, 31, 0xffff0000;", 1, 32, 0);
  bad("setp.lt.u32 %p1, %r2, 16; @%p1 bra A; shfl.sync.bfly.b32 %r9, %r2, 1, 31, -1; bra B; A: shfl.sync.bfly.b32 %r9, %r2, 2, 31, -1; B:", 1, 32, 0, "divergence",
      "wait elsewhere");
  bad("shfl.sync.bfly.b32 %r9, %r2, 1, 31, 0xff;", 1, 32, 0, "lane 8 is not in its own member mask 0x000000ff", "shfl");
  good("setp.lt.u32 %p1, %r2, 20; @%p1 exit; bar.sync 0;", 1, 64, 0);   // those that left are not waited for
  bad("mov.u32 %r9, 0; mov.u32 %r10, 0; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r9}, [%r5];", 1, 16, 0, "needs all 32 lanes", "ldmatrix");
}

static void async_copies(void **state) {
#define COPY "add.s64 %d5, %d1, 0; mul.wide.u32 %d6, %r2, 4; add.s64 %d5, %d5, %d6; cp.async.ca.shared.global [%r7], [%d5], 4; "
  bad(COPY "ld.shared.u32 %r9, [%r7];", 1, 32, 0, "a cp.async still writes: a wait is missing", "ld.shared.u32");
  good(COPY "cp.async.wait_all; ld.shared.u32 %r9, [%r7];", 1, 32, 0);
  good(COPY "cp.async.commit_group; cp.async.wait_group 0; ld.shared.u32 %r9, [%r7];", 1, 32, 0);
  bad(COPY "cp.async.commit_group; cp.async.wait_group 1; ld.shared.u32 %r9, [%r7];", 1, 32, 0, "a wait is missing", "ld.shared.u32");
  good(COPY "cp.async.commit_group; cp.async.commit_group; cp.async.wait_group 1; ld.shared.u32 %r9, [%r7];", 1, 32, 0);
  bad(COPY "cp.async.wait_group 0; ld.shared.u32 %r9, [%r7];", 1, 32, 0, "a wait is missing", "ld.shared.u32");   // never committed
  // others' data: a barrier after the wait
  bad(COPY "cp.async.wait_all; xor.b32 %r9, %r7, 128; ld.shared.u32 %r9, [%r9];", 1, 64, 0, "shared memory", "ld.shared.u32");
  good(COPY "cp.async.wait_all; bar.sync 0; xor.b32 %r9, %r7, 128; ld.shared.u32 %r9, [%r9];", 1, 64, 0);
  bad("cp.async.cg.shared.global [%r7], [%d1], 16;", 1, 32, 0, "misaligned", "cp.async");
  bad("cp.async.ca.shared.global [%r5+1024], [%d1], 4;", 1, 1, 0, "out of bounds", "cp.async");
  bad("cp.async.ca.shared.global [%r5], [%d2], 4;", 1, 1, 0, "uninitialised global memory", "cp.async");
  good("cp.async.ca.shared.global [%r5], [%d2], 4, 0; cp.async.wait_all; ld.shared.u32 %r9, [sm];", 1, 1, 0);   // reads nothing: zeros
}

static void endless(void **state) {
  bad("L: add.s32 %r9, %r9, 1; bra L;", 1, 32, 0, "endless loop", "warp instructions");
  good("mov.u32 %r9, 0; L: add.s32 %r9, %r9, 1; setp.lt.u32 %p1, %r9, 1000; @%p1 bra L;", 1, 32, 0);
  // a warp that spins for another gets its answer: turns
  good("setp.eq.u32 %p1, %r2, 0; @%p1 st.shared.u32 [sm], 0; bar.sync 0; setp.ge.u32 %p1, %r2, 32; @%p1 bra SET;"
       "L: ld.volatile.shared.u32 %r9, [sm]; setp.eq.u32 %p2, %r9, 0; @%p2 bra L; bra END; SET: st.volatile.shared.u32 [sm], 1; END:", 1, 64, 0);
  bad("setp.eq.u32 %p1, %r2, 5; @%p1 trap;", 1, 32, 0, "trap", "thread (5, 0, 0)");
}

static void place(void **state) {
  const char *text = ".version 8.0\n.target sm_80\n.address_size 64\n.file 1 \"cnn.net\"\n.entry k(.param .u64 p, .param .u64 q, .param .u32 n)\n{\n"
                     ".reg .b64 %d<2>;\n.loc 1 12 5\nmov.u64 %d1, 8;\nst.global.u64\n  [%d1], %d1;\nret;\n}\n";
  run r = {.f = open_text("k.ptx", text, strlen(text), 1, 0)};
  faults(go(&r, 1, 1, 0), "st.global.u64, k.ptx:10, cnn.net:12:5; block (0, 0, 0), thread (0, 0, 0), warp 0, lanes 0x00000001, address 0x8", NULL);
  shut(r.f);
}

static void lowest_block(void **state) {
  for (int threads = 1; threads <= 4; threads++) {   // whatever order blocks run in
    weft_simt *machine;
    weft_simt_module *module;
    char text[4096];
    int size = snprintf(text, sizeof text, "%ssetp.ge.u32 %%p1, %%r3, 5; @%%p1 trap; ret; }", HEAD);
    ok(weft_simt_create(&(weft_simt_options){.threads = threads, .max_faults = 3}, &machine));
    ok(weft_simt_load(machine, "k", text, (uint64_t)size, &module));
    fixture f = {machine, module};
    uint32_t n = 0, *p = zeroed(f, 4);
    faults(start(f, "k", 64, 1, 32, 1, 0, (void *[]){&p, &p, &n}), "block (5, 0, 0)", "and 2 more faulting blocks", NULL);
    shut(f);
  }
}

static void same_for_any_threads(void **state) {
  const char *body = "cvt.rn.f32.u32 %f1, %r8; mul.f32 %f1, %f1, 0f3DCCCCCD; red.global.add.f32 [%d1], %f1; atom.global.exch.b32 %r9, [%d1+4], %r8;";
  uint32_t first[2] = {0};
  for (int threads = 1; threads <= 4; threads++) {
    run r = begin(body, threads, 0);
    ok(go(&r, 64, 64, 0));
    if (threads == 1) memcpy(first, r.p, sizeof first);
    assert_memory_equal(first, r.p, sizeof first);
    shut(r.f);
  }
}

static void refused(void **state) {
  run r = begin("", 1, 0);
  const struct { uint32_t grid, block, shared; } shapes[] = {{0, 32, 0}, {1, 0, 0}, {1, 1025, 0}, {1, 32, 400000}};
  for (int k = 0; k < 4; k++) {
    uint32_t n = 0;
    weft_status *status = start(r.f, "k", shapes[k].grid, 1, shapes[k].block, 1, shapes[k].shared, (void *[]){&r.p, &r.q, &n});
    assert_int_equal(weft_status_code(status), WEFT_BAD_INPUT);
    weft_status_free(status);
  }
  assert_null(weft_simt_entry(r.f.module, "other"));
  assert_int_equal(weft_simt_parameters(weft_simt_entry(r.f.module, "k")), 3);
  assert_int_equal(weft_simt_parameter_size(weft_simt_entry(r.f.module, "k"), 0), 8);
  assert_int_equal(weft_simt_parameter_alignment(weft_simt_entry(r.f.module, "k"), 2), 4);
  assert_int_equal(weft_simt_static_shared(weft_simt_entry(r.f.module, "k")), 1024);
  shut(r.f);
}

static void load_errors(void **state) {
  static const struct { const char *body, *message; } cases[] = {
      {"\n frob.f32 %f1, %f2;", "k.ptx:11:2: frob.f32 is not known"},
      {"wgmma.fence.sync.aligned;", "wgmma.fence.sync.aligned is not known"},
      {"mbarrier.init.shared.b64 [sm], 1;", "mbarrier.init.shared.b64 is not known"},
      {"cp.async.bulk.commit_group;", "cp.async.bulk.commit_group"},
      {"add.ftz.s32 %r9, %r9, 1;", ".ftz is not supported"},
      {"add.s32 %r9, %d1, 1;", "%d1 has 64 bits, the instruction 32"},
      {"add.s32 %r9, %r99, 1;", "%r99 is not known"},
      {"add.f32 %f1, %f2, 1;", "a float constant must be"},
      {"bra NOWHERE;", "NOWHERE is no label"},
      {"add.s32 %r9, %r9;", "3 operands, not 2"},
      {"@%r1 add.s32 %r9, %r9, 1;", "%r1 is no predicate"},
      {"ld.shared.u32 %r9, [nothing];", "nothing is not known"},
      {"mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%r1}, {%r1}, {%r1}, {%r1};", "is not supported"},
      {"add.s32 %r9, ;", "syntax error"},
      {".reg .b32 %d1;", "%d1 is declared twice"},
      {"call f, ();", "f is no function"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char text[4096];
    int size = snprintf(text, sizeof text, "%s%s\nret;\n}\n", HEAD, cases[k].body);
    weft_simt *machine;
    weft_simt_module *module;
    ok(weft_simt_create(NULL, &machine));
    weft_status *status = weft_simt_load(machine, "k.ptx", text, (uint64_t)size, &module);
    assert_int_equal(weft_status_code(status), WEFT_BAD_INPUT);
    if (!strstr(weft_status_message(status), cases[k].message)) fail_msg("no '%s' in: %s", cases[k].message, weft_status_message(status));
    assert_null(module);
    weft_status_free(status);
    weft_simt_destroy(machine);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(global_bounds), cmocka_unit_test(alignment), cmocka_unit_test(use_after_free), cmocka_unit_test(uninitialised),
      cmocka_unit_test(other_bounds), cmocka_unit_test(shared_races), cmocka_unit_test(named_barriers), cmocka_unit_test(colliding_stores),
      cmocka_unit_test(block_races), cmocka_unit_test(global_races), cmocka_unit_test(divergence), cmocka_unit_test(async_copies), cmocka_unit_test(endless), cmocka_unit_test(place),
      cmocka_unit_test(lowest_block), cmocka_unit_test(same_for_any_threads), cmocka_unit_test(refused), cmocka_unit_test(load_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
