# check_examples.py DOCUMENT WEFT [--update]: each fenced block "wir --passes LIST" of the document must be what `weft opt` makes of the
# "wir" block before it. --update writes what it makes; it refuses where weft reports an error.
import difflib, os, re, subprocess, sys, tempfile

document, weft = sys.argv[1], sys.argv[2]
text = open(document, encoding="utf-8").read()
before, wrong, checked = None, 0, 0


def run(source, passes):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "before.wir")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        done = subprocess.run([weft, "opt", path, "--passes", passes], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit("%s: weft opt --passes '%s' failed:\n%s" % (document, passes, done.stderr))
        return done.stdout


def visit(match):
    global before, wrong, checked
    info, body = match.group(1), match.group(2)
    if not info.startswith("--passes "):
        before = body
        return match.group(0)
    after = run(before, info[len("--passes "):].strip("'"))
    checked += 1
    if after != body:
        wrong += 1
        if "--update" not in sys.argv:
            sys.stdout.writelines(difflib.unified_diff(body.splitlines(True), after.splitlines(True), document, "weft opt " + info))
    return "```wir " + info + "\n" + after + "```"


made = re.sub(r"^```wir ?([^\n]*)\n(.*?)^```", visit, text, flags=re.S | re.M)
if "--update" in sys.argv:
    with open(document, "w", encoding="utf-8") as file:
        file.write(made)
print("%d examples, %d differ" % (checked, wrong))
sys.exit(1 if wrong and "--update" not in sys.argv else 0)
