#include "runtime/formula.h"

static int64_t floor_divide(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

// False where the result does not fit 64 bits or is not defined.
static bool apply(wf_formula_op op, int64_t a, int64_t b, int64_t *out) {
  switch (op) {
  case WF_F_ADD: return !__builtin_add_overflow(a, b, out);
  case WF_F_MUL: return !__builtin_mul_overflow(a, b, out);
  case WF_F_FLOORDIV:
    if (b == 0 || (a == INT64_MIN && b == -1)) return false;
    *out = floor_divide(a, b);
    return true;
  case WF_F_CONST:
  case WF_F_SYMBOL: break;
  }
  return false;
}

static bool evaluate(const wf_formula *formula, const int64_t *symbols, int64_t *out) {
  int64_t stack[WEFT_FORMULA_DEPTH];
  int top = 0;
  for (int i = 0; i < formula->count; i++) {
    wf_formula_code code = formula->code[i];
    if (code.op == WF_F_CONST || code.op == WF_F_SYMBOL) {
      if (top == WEFT_FORMULA_DEPTH) return false;
      stack[top++] = code.op == WF_F_CONST ? code.value : symbols[code.value];
    } else {
      if (top < 2 || !apply(code.op, stack[top - 2], stack[top - 1], &stack[top - 2])) return false;
      top--;
    }
  }
  *out = top == 1 ? stack[0] : 0;
  return top == 1;
}

int64_t wf_formula_eval(const wf_formula *formula, const int64_t *symbols) {
  int64_t value;
  return evaluate(formula, symbols, &value) ? value : 0;
}

weft_status *weft_formula_checked(const wf_formula *formula, const int64_t *symbols, int64_t *out) {
  *out = 0;
  if (evaluate(formula, symbols, out)) return NULL;
  return weft_fail(WEFT_BAD_INPUT, "a size does not fit 64 bits");
}

bool weft_formula_valid(const wf_formula *formula, int symbol_count) {
  int top = 0;
  for (int i = 0; i < formula->count; i++) {
    wf_formula_code code = formula->code[i];
    if (code.op == WF_F_SYMBOL && (code.value < 0 || code.value >= symbol_count)) return false;
    if (code.op == WF_F_CONST || code.op == WF_F_SYMBOL) top++;
    else if (code.op == WF_F_ADD || code.op == WF_F_MUL || code.op == WF_F_FLOORDIV) {
      if (top < 2) return false;
      top--;
    } else return false;
    if (top > WEFT_FORMULA_DEPTH) return false;
  }
  return top == 1;
}

bool weft_formula_uses(const wf_formula *formula, int symbol) {
  for (int i = 0; i < formula->count; i++)
    if (formula->code[i].op == WF_F_SYMBOL && formula->code[i].value == symbol) return true;
  return false;
}
