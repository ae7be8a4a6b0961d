// The reader and the formatter of .net files: the library and the examples parse; fmt is idempotent, keeps the meaning (the
// tree of its output is the tree of its input) and keeps comments; one run reports several errors.
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "frontend/frontend.h"

typedef struct parsed { wf_arena *arena; wf_diag *diag; wf_ast_file *file; } parsed;

static parsed parse(const char *path, const char *text, size_t size) {
  parsed p = {.arena = wf_arena_create()};
  p.diag = wf_diag_create(p.arena);
  wf_source *source = WF_NEW(p.arena, wf_source);
  *source = (wf_source){path, wf_arena_strndup(p.arena, text, size), size, false};
  p.file = wf_parse_net(p.arena, p.diag, source);
  return p;
}

static parsed parse_text(const char *text) { return parse("test.net", text, strlen(text)); }

// The tree without its places: they differ after formatting.
static void strip_places(wf_text *text) {
  char *to = text->data;
  for (char *from = text->data; *from; from++) {
    *to++ = *from;
    if (*from != ' ' || from[1] < '0' || from[1] > '9') continue;
    char *end;
    strtol(from + 1, &end, 10);
    if (*end != ':') continue;
    strtol(end + 1, &end, 10);
    from = end - 1, to--;
  }
  *to = 0;
}

static void assert_format_keeps(const char *path, const char *text, size_t size) {
  parsed first = parse(path, text, size);
  if (first.diag->errors) wf_diag_print(first.diag, stderr, false);
  assert_int_equal(first.diag->errors, 0);
  wf_text once, twice, tree, tree_again;
  wf_text_init(&once), wf_text_init(&twice), wf_text_init(&tree), wf_text_init(&tree_again);
  wf_ast_format(&once, first.file);
  parsed second = parse(path, once.data ? once.data : "", once.length);
  if (second.diag->errors) wf_diag_print(second.diag, stderr, false);
  assert_int_equal(second.diag->errors, 0);
  wf_ast_format(&twice, second.file);
  assert_string_equal(once.data, twice.data);
  assert_int_equal(first.file->comments.count, second.file->comments.count);
  wf_ast_dump(&tree, first.file);
  wf_ast_dump(&tree_again, second.file);
  strip_places(&tree), strip_places(&tree_again);
  assert_string_equal(tree.data, tree_again.data);
  wf_text_deinit(&once), wf_text_deinit(&twice), wf_text_deinit(&tree), wf_text_deinit(&tree_again);
  wf_arena_destroy(first.arena), wf_arena_destroy(second.arena);
}

static void formats_library(void **state) {
  for (const struct weft_embedded *file = weft_std_library; file->name; file++) assert_format_keeps(file->name, file->text, file->size);
}

static void formats_examples(void **state) {
  glob_t found;
  assert_int_equal(glob(WEFT_SOURCE_DIR "/examples/*/*.net", 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    wf_arena *arena = wf_arena_create();
    wf_source *source = wf_source_read(arena, wf_diag_create(arena), found.gl_pathv[i], 1 << 20);
    assert_non_null(source);
    assert_format_keeps(found.gl_pathv[i], source->text, source->size);
    wf_arena_destroy(arena);
  }
  globfree(&found);
}

static const char *const constructs[] = {
  "import \"layers.net\" let width=64*2 mesh pod(data=4,tp=2)",
  "# head\nop f(x: T[.., d], g: T[d]; eps: float = 1e-5) -> T[.., d] where d % 2 == 0 {\n\n\n  // own line\n  out[.., d] = x[.., d] * g[d] + eps  # behind\n}\n# tail",
  "op g() -> T[..] { out[..] = 0 }\nop h(; value: float) -> (a: f32[], b: i64[]) { a = value b = 1 return a, b }",
  "op s(x: T[v, d], ids: i64[n], g: T[n, d]) -> T[v, d] { out = zeros([v, d]) out[ids[i], d] += g[i, d] out[ids[i], d] max= g[i, d] }",
  "net N(x: f32[n, 2*h]; k: int[] = [1, 2]) -> f32[n] {\n for i in 0..4 { x = x |> block(k[i]) as layer[i] }\n if k[0] > 1 and not (k[1] == 2) { y = 1 } else if k[0] < 0 { y = 2 } else { y = 3 }\n"
  "  loop t: n reverse carry h = x, c = zeros([n]) {\n next h = h + 1 next c = c yield hs = h }\n  labels [\"a\", \"b\"] top 3\n stage 1 { shard weight[o: tp, c: [data, tp]] }\n return -x ** 2 + (sum[c'] x[c'] * 2) if k[0] == 1 else x[0] else (-inf)\n}",
  "op labels(state: T[n], next: T[n], top: T[n]) -> T[n] { t: T[n] t[n] = state[n] * next[n] labels = top\n a, b = sort(t) return labels }",
  "optimizer sgd(p: T[..], g: T[..]; lr: op = 0.01) { state v: T[..] = 0 v' = 0.9 * v + g update v = v' update p = p - lr * v' }",
  "train N(hidden=4) { data idx(\"a\", \"b\")\n  # what is measured\n metric accuracy, top_k(5)  # two\n batch 64 epochs 5 seed 1\n optimizer sgd(lr=cosine(0.1)) }",
  "op piped(x: T[n]) -> T[n] { return x |> max(0.5) |> min(1, 2) }",
  "op long(x: T[n]) -> T[n] { out[n] = x[n] + x[n] * (1 + 2 + 3 + 4) - x[n] + x[n] * (1 + 2 + 3 + 4) - x[n] + x[n] * (1 + 2 + 3 + 4) - x[n] + x[n] * (1 + 2 + 3 + 4) // 7 % 3 }",
  "",
};

static void formats_constructs(void **state) {
  for (size_t i = 0; i < sizeof constructs / sizeof *constructs; i++) assert_format_keeps("construct.net", constructs[i], strlen(constructs[i]));
}

static void formats_in_one_layout(void **state) {
  parsed p = parse_text("op   f(x:T[..])->T[..]{out[..]=x[..]*2 # twice\n}\n\n\n\ntrain N{batch 1 epochs 2\nloss mse}");
  wf_text out;
  wf_text_init(&out);
  wf_ast_format(&out, p.file);
  assert_string_equal(out.data, "op f(x: T[..]) -> T[..] {\n    out[..] = x[..] * 2  # twice\n}\n\ntrain N {\n    batch 1   epochs 2\n    loss       mse\n}\n");
  wf_text_deinit(&out);
  wf_arena_destroy(p.arena);
}

static void reports_several_errors(void **state) {
  parsed p = parse_text("op f(x: T[..]) -> T[..] {\n  a = = 1\n  b = x +\n}\nop g(x: T[..] -> T[..] {\n  out = x\n}\nop h(x: T[..]) -> T[..] {\n  for i 0..3 { y = 1 }\n  out = x\n}\n");
  if (p.diag->errors != 4) wf_diag_print(p.diag, stderr, false);
  assert_int_equal(p.diag->errors, 4);
  const int lines[] = {2, 4, 5, 9};
  for (int i = 0; i < 4; i++) assert_int_equal(p.diag->list.items[i]->loc.line, lines[i]);
  assert_int_equal(p.file->decls.count, 2);   // f and h; g has no head
  wf_arena_destroy(p.arena);
}

static void precedence(void **state) {
  static const struct { const char *text, *tree; } rows[] = {
    {"sum[c] a * b + d", "binary +"}, {"2 * sum[c] a * b", "binary *"}, {"-x ** 2", "unary -"}, {"a + b |> f", "pipe"},
    {"x |> f + y", "binary +"}, {"not a == b", "unary not"}, {"a or b and c", "binary or"}, {"x[i] else 0 * y", "binary *"},
    {"a if b else c if d else e", "conditional"}, {"a - b - c", "binary -"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    wf_arena *arena = wf_arena_create();
    const char *text = wf_arena_printf(arena, "let v = %s", rows[i].text);
    parsed p = parse_text(text);
    wf_text out;
    wf_text_init(&out);
    wf_ast_dump(&out, p.file);
    assert_int_equal(p.diag->errors, 0);
    assert_non_null(strstr(out.data, wf_arena_printf(arena, "value 1:9 %s", rows[i].tree)));
    wf_text_deinit(&out);
    wf_arena_destroy(arena), wf_arena_destroy(p.arena);
  }
}

// The commonest causes of a syntax error are named.
static void advice(void **state) {
  static const struct { const char *text, *help; } rows[] = {
    {"op f(x: T[n]) -> T[n] { out[i] = 1 if x[i] else 0 }", "parentheses"}, {"op f(x: T[n]) -> T[n] { y = x if a { z = 1 } }", "start a line with it"},
    {"let a = 3 // the number\nlet b = 4", "starts with `#`"}, {"op f(x: T[n]) -> T[n] { return x\nop g(x: T[n]) -> T[n] { return x }", "`}` missing"},
    {"op f(x: T[n]) -> T[n] { return x", "not closed"}, {"op f(x: T[n]) -> T[n] { y = = x }", "`==` compares"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    parsed p = parse_text(rows[i].text);
    assert_true(p.diag->errors >= 1);
    bool found = false;
    for (int k = 0; k < p.diag->list.items[0]->notes.count; k++) found = found || strstr(p.diag->list.items[0]->notes.items[k]->message, rows[i].help);
    if (!found) fail_msg("%s: no help says %s", rows[i].text, rows[i].help);
    wf_arena_destroy(p.arena);
  }
}

// Depth is bounded wherever recursion could follow it; nothing here may crash.
static void bounds_nesting(void **state) {
  static const struct { const char *head, *repeated, *tail; } rows[] = {
    {"let v = ", "(", "1"}, {"let v = 1", " + 1", ""}, {"let v = ", "-", "1"}, {"let v = ", "[", ""}, {"op f() {", "if 1 {", ""},
    {"op f() { if a { }", " else if a { }", " }"}, {"let v = x", "[0]", ""}, {"let v = x", " |> f", ""}, {"let v = ", "not ", "1"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    wf_text text;
    wf_text_init(&text);
    wf_text_add(&text, rows[i].head);
    for (int k = 0; k < 100000; k++) wf_text_add(&text, rows[i].repeated);
    wf_text_add(&text, rows[i].tail);
    parsed p = parse_text(text.data);
    assert_true(p.diag->errors >= 1);
    wf_text out;
    wf_text_init(&out);
    wf_ast_format(&out, p.file);
    wf_text_deinit(&out), wf_text_deinit(&text);
    wf_arena_destroy(p.arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(formats_library), cmocka_unit_test(formats_examples), cmocka_unit_test(formats_constructs),
    cmocka_unit_test(formats_in_one_layout), cmocka_unit_test(reports_several_errors), cmocka_unit_test(precedence),
    cmocka_unit_test(advice), cmocka_unit_test(bounds_nesting),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
