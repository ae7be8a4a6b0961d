# each.sh "COMMAND" ARGUMENTS...: runs the command with each of the arguments in turn; its output, then its exit code.
command=$1
shift
for arguments in "$@"; do
  $command $arguments 2>&1
  echo "exit $?"
done
