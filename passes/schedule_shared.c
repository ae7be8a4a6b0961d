// What the contraction schedules of all targets share: the kernel under construction, where the contraction's axes stand in
// terms of kernel axes, and the members that are stored with its result.
#include "passes/schedule.h"

static const wf_dim *number(const wf_contract *contract, int64_t value) { return wf_dim_const(contract->draft->module->dims, value); }

// ---- loops and guards -------------------------------------------------------------------------------------------

wf_block *wf_contract_open(wf_contract *contract, wf_block *block, wf_bind bind, const char *name, const wf_dim *extent,
                           const wf_dim **out_axis) {
  if (bind != WF_BIND_VECTOR && bind != WF_BIND_THREAD && wf_dim_equals_const(extent, 1)) {
    *out_axis = number(contract, 0);
    return block;
  }
  *out_axis = wf_dim_axis(contract->draft->module->dims, name, extent);
  return wf_stmt_for(contract->draft->kernel, block, bind, *out_axis);
}

bool wf_contract_inside(const wf_contract *contract, const wf_dim *flat, const wf_dim *extent, int block_size) {
  if (wf_dim_divisible(extent, block_size)) return true;
  const wf_dim *room = wf_dim_offset(wf_dim_sub(extent, flat), -1);
  return wf_dim_prove_nonnegative(room, contract->draft->module->arena, NULL) == WF_PROVED;
}

const wf_expr *wf_contract_below(const wf_contract *contract, const wf_dim *flat, const wf_dim *extent) {
  wf_module *module = contract->draft->module;
  return wf_expr_binary(module, WF_S_LT, wf_expr_index(module, flat), wf_expr_index(module, extent));
}

wf_block *wf_contract_guard(wf_contract *contract, wf_block *block, const wf_dim *flat, const wf_dim *extent, int block_size) {
  if (wf_contract_inside(contract, flat, extent, block_size)) return block;
  return wf_stmt_if(contract->draft->kernel, block, wf_contract_below(contract, flat, extent));
}

// ---- where the axes stand ---------------------------------------------------------------------------------------

static void set_point(wf_contract *contract, const wf_atom *axis, const wf_dim *value) {
  for (int i = 0; i < contract->count; i++) {
    if (contract->list[i].atom != axis) continue;
    contract->list[i].value = value;
    return;
  }
  contract->list[contract->count++] = (wf_binding){axis, value};
}

void wf_contract_bind(wf_contract *contract, const wf_composite *composite, const wf_dim *const *values) {
  for (int i = 0; i < composite->count; i++) {
    const wf_dim *sum = number(contract, 0);
    for (int j = 0; j < composite->count; j++)
      if (composite->digits[j].axis == composite->digits[i].axis)
        sum = wf_dim_add(sum, wf_dim_scale(values[j], composite->digits[j].scale));
    set_point(contract, composite->digits[i].axis, sum);
  }
}

void wf_contract_digits(const wf_composite *composite, int to, const wf_dim *flat, const wf_dim **out) {
  for (int i = to - 1; i >= 0; i--) {
    out[i] = i == 0 ? flat : wf_dim_mod(flat, composite->digits[i].extent);
    if (i > 0) flat = wf_dim_floordiv(flat, composite->digits[i].extent);
  }
}

void wf_contract_bind_flat(wf_contract *contract, const wf_composite *composite, const wf_dim *flat) {
  const wf_dim *values[WF_MAX_DIGITS];
  wf_contract_digits(composite, composite->count, flat, values);
  wf_contract_bind(contract, composite, values);
}

const wf_expr *wf_contract_value(const wf_contract *contract, const wf_expr *expr) {
  return wf_draft_expr(contract->draft, expr, contract->list, contract->count);
}

// ---- members stored with the result -----------------------------------------------------------------------------

static bool read_by_later(const wf_contract *contract, int index) {
  for (int i = index + 1; i < contract->member_count; i++)
    for (int k = 0; k < contract->members[i]->operand_count; k++)
      if (contract->members[i]->operands[k] == contract->members[index]->results[0]) return true;
  return false;
}

void wf_contract_keep(wf_contract *contract, wf_block *block, int64_t lanes, wf_value **out_kept) {
  for (int i = 0; i < contract->member_count; i++) {
    const wf_value *value = contract->members[i]->results[0];
    out_kept[i] = NULL;
    if (i > 0 && !(contract->blocks && contract->blocks[i]) && wf_draft_buffer(contract->draft, value) && read_by_later(contract, i))
      out_kept[i] = wf_draft_register(contract->draft, block, value->name, value->dtype, 1, &lanes);
  }
}

static void store(wf_draft *draft, wf_block *block, wf_value *buffer, const wf_dim *const *indices, const wf_expr *value) {
  value = wf_draft_convert(draft, value, wf_dtype_compute(buffer->dtype));
  wf_stmt_store_dims(draft->kernel, block, buffer, indices, WF_R_NONE, value);
}

void wf_contract_store(wf_contract *contract, wf_block *block, wf_value *const *kept, const wf_dim *lane, const wf_expr *sum) {
  wf_draft *draft = contract->draft;
  wf_module *module = draft->module;
  const wf_contraction *c = contract->c;
  wf_value *targets[WF_MOST_MEMBERS];
  for (int i = 0; i < contract->member_count; i++) targets[i] = wf_draft_buffer(draft, contract->members[i]->results[0]);
  for (int i = 0; i < contract->member_count; i++) {
    const wf_op *member = contract->members[i];
    const wf_value *value = member->results[0];
    const wf_dim *indices[WF_MAX_RANK];
    wf_binding bindings[WF_MAX_RANK];
    for (int a = 0; a < member->axis_count; a++) {
      const wf_dim *own = wf_dim_substitute(c->op->axes[a]->as_dim, c->refine, c->refine_count);
      bindings[a] = (wf_binding){member->axes[a], wf_dim_substitute(own, contract->list, contract->count)};
      indices[a] = bindings[a].value;
    }
    const wf_expr *made = i == 0 ? sum : wf_draft_expr(draft, member->body, bindings, member->axis_count);
    wf_dtype compute = wf_dtype_compute(value->dtype);
    made = wf_draft_convert(draft, made, compute);
    if (value->dtype != compute) made = wf_expr_cast(module, compute, wf_expr_cast(module, value->dtype, made));
    const wf_dim *block_at[] = {contract->block_row, lane};
    wf_value *own_block = contract->blocks ? contract->blocks[i] : NULL;
    wf_value *keeper = own_block ? own_block : kept[i];
    if (keeper) {
      const wf_dim *const *at = own_block ? block_at : &lane;
      store(draft, block, keeper, at, made);
      made = wf_expr_read_dims(module, keeper, at, NULL);
    }
    if (targets[i]) store(draft, block, targets[i], indices, made);
    wf_draft_replace(draft, value, made);
  }
  for (int i = 0; i < contract->member_count; i++) wf_draft_bind(draft, contract->members[i]->results[0], targets[i], 0);
}

// ---- the launch -------------------------------------------------------------------------------------------------

static void read_operands_of_node(void *context, const wf_expr *node) {
  if (node->op == WF_S_READ) wf_draft_read(context, node->operand);
}

void wf_contract_read(wf_contract *contract, const wf_expr *expr) { wf_expr_walk(expr, read_operands_of_node, contract->draft); }

static bool is_member(const wf_contract *contract, const wf_value *value) {
  for (int i = 0; i < contract->member_count; i++)
    if (contract->members[i]->results[0] == value) return true;
  return false;
}

void wf_contract_declare(wf_contract *contract, wf_value *const *results, int result_count) {
  for (int i = 1; i < contract->member_count; i++)
    for (int j = 0; j < contract->members[i]->operand_count; j++)
      if (!is_member(contract, contract->members[i]->operands[j])) wf_draft_read(contract->draft, contract->members[i]->operands[j]);
  for (int i = 0; i < result_count; i++) wf_draft_write(contract->draft, results[i]);
}

// Multiplications and additions of the sum, and the members stored with it; what copies compute is not counted.
static const wf_dim *flops_of(const wf_contract *contract) {
  const wf_contraction *c = contract->c;
  const wf_dim *flops = wf_dim_scale(wf_dim_mul(wf_dim_mul(c->m.extent, c->n.extent), c->k.extent), 2);
  if (c->batch.count) flops = wf_dim_mul(flops, c->batch.extent);
  for (int i = 1; i < contract->member_count; i++) flops = wf_dim_add(flops, wf_op_flops(contract->draft->module, contract->members[i]));
  return flops;
}

wf_op *wf_contract_finish(wf_contract *contract) {
  wf_op *launch = wf_draft_finish(contract->draft, contract->members, contract->member_count);
  launch->kernel->flops = flops_of(contract);
  return launch;
}
