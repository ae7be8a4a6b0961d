// The road from kernels to bytes. The pipeline is short because the emitter already made vectors and unrolled loops.
#include "codegen/compile.h"
#include <llvm-c/Analysis.h>
#include <time.h>
#include <llvm-c/Error.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include "codegen/compile_internal.h"
#include "codegen/emit.h"

static const char pipeline[] = "function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),gvn,"
                               "instcombine<no-verify-fixpoint>,loop-mssa(licm),simplifycfg)";
enum { CODE_GENERATOR_VERSION = 3 };   // counts changes of the generated code

static void keep_message(LLVMDiagnosticInfoRef info, void *context) {
  char *text = LLVMGetDiagInfoDescription(info);
  if (LLVMGetDiagInfoSeverity(info) == LLVMDSError) wf_error(context, WF_NOWHERE, "LLVM: %s", text);
  LLVMDisposeMessage(text);
}

static bool run_passes(wf_diag *diag, LLVMModuleRef unit, const wf_target *target) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMPassBuilderOptionsSetLoopVectorization(options, 0);
  LLVMPassBuilderOptionsSetSLPVectorization(options, 0);
  LLVMPassBuilderOptionsSetLoopUnrolling(options, 0);
  LLVMErrorRef error = LLVMRunPasses(unit, pipeline, target->machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (!error) return true;
  char *text = LLVMGetErrorMessage(error);
  wf_error(diag, WF_NOWHERE, "LLVM passes: %s", text);
  LLVMDisposeErrorMessage(text);
  return false;
}

static void take(wf_arena *arena, const char *bytes, size_t size, wf_code *out) {
  char *copy = wf_arena_alloc(arena, size + 1);
  memcpy(copy, bytes, size);
  *out = (wf_code){copy, size};
}

static bool write_text(wf_arena *arena, LLVMModuleRef unit, wf_code *out) {
  char *text = LLVMPrintModuleToString(unit);
  take(arena, text, strlen(text), out);
  LLVMDisposeMessage(text);
  return true;
}

static bool write_machine_code(wf_arena *arena, wf_diag *diag, LLVMModuleRef unit, const wf_target *target, LLVMCodeGenFileType type, wf_code *out) {
  char *message = NULL;
  LLVMMemoryBufferRef buffer;
  if (LLVMTargetMachineEmitToMemoryBuffer(target->machine, unit, type, &message, &buffer)) {
    wf_error(diag, WF_NOWHERE, "LLVM: %s", message);
    LLVMDisposeMessage(message);
    return false;
  }
  take(arena, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer), out);
  LLVMDisposeMemoryBuffer(buffer);
  return true;
}

static double cpu_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Seconds since *at, which moves on.
static double lap(double *at) {
  double now = cpu_seconds(), before = *at;
  *at = now;
  return now - before;
}

static bool verify_unit(wf_diag *diag, LLVMModuleRef unit) {
  char *message = NULL;
  bool bad = LLVMVerifyModule(unit, LLVMReturnStatusAction, &message);
  if (bad) wf_error(diag, WF_NOWHERE, "the code generator made LLVM IR that is wrong (a bug of weft): %s", message);
  LLVMDisposeMessage(message);
  return !bad;
}

bool wf_unit_emit(wf_unit *unit, const wf_target *target, wf_compile_kernel *kernels, int count, const wf_atom *const *symbols,
                  int symbol_count) {
  double at = cpu_seconds();
  unit->context = LLVMContextCreate();
  unit->module = LLVMModuleCreateWithNameInContext("weft", unit->context);
  LLVMSetTarget(unit->module, target->triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(target->machine);
  LLVMSetModuleDataLayout(unit->module, layout);
  LLVMDisposeTargetData(layout);
  for (int i = 0; i < count; i++) {
    wf_emitted_kernel emitted;
    if (!wf_emit_kernel(kernels[i].kernel, target, unit->context, unit->module, kernels[i].entry, symbols, symbol_count, kernels[i].distinct, &emitted))
      return false;
    kernels[i].tasks = emitted.tasks;
    kernels[i].scratch_bytes = emitted.scratch_bytes;
  }
  unit->times.emit += lap(&at);
  return true;
}

bool wf_unit_finish(wf_unit *unit, wf_arena *arena, wf_diag *diag, const wf_target *target, wf_code_form form, wf_code *out) {
  int errors = diag->errors;
  double at = cpu_seconds();
  LLVMContextSetDiagnosticHandler(unit->context, keep_message, diag);
  if (!verify_unit(diag, unit->module)) return false;
  unit->times.verify += lap(&at);
  if (form == WF_CODE_LLVM_RAW) return write_text(arena, unit->module, out);
  if (!run_passes(diag, unit->module, target)) return false;
  unit->times.passes += lap(&at);
  if (form == WF_CODE_LLVM) return write_text(arena, unit->module, out);
  LLVMCodeGenFileType type = target->gpu || form == WF_CODE_ASSEMBLY ? LLVMAssemblyFile : LLVMObjectFile;
  bool good = write_machine_code(arena, diag, unit->module, target, type, out) && diag->errors == errors;
  unit->times.machine += lap(&at);
  return good;
}

void wf_unit_destroy(wf_unit *unit) {
  if (unit->module) LLVMDisposeModule(unit->module);
  if (unit->context) LLVMContextDispose(unit->context);
  unit->module = NULL;
  unit->context = NULL;
}

bool wf_compile_kernels(wf_arena *arena, wf_diag *diag, const wf_target *target, wf_compile_kernel *kernels, int count,
                        const wf_atom *const *symbols, int symbol_count, wf_code_form form, wf_code *out) {
  wf_unit unit = {0};
  *out = (wf_code){0};
  bool good = wf_unit_emit(&unit, target, kernels, count, symbols, symbol_count) && wf_unit_finish(&unit, arena, diag, target, form, out);
  wf_unit_destroy(&unit);
  return good;
}

const char *wf_compile_version(wf_arena *arena, const wf_target *target) {
  unsigned major, minor, patch;
  LLVMGetVersion(&major, &minor, &patch);
  return wf_arena_printf(arena, "%s %s %s LLVM %u.%u.%u weft %s.%d %s", target->triple, target->cpu, target->features, major, minor, patch,
                         WEFT_VERSION, CODE_GENERATOR_VERSION, pipeline);
}
