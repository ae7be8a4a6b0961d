// The weft command: finds the verb and hands over to its file.
#include <stdio.h>
int main(int argc, char **argv) { (void)argc; (void)argv; fputs("usage: weft VERB ...\n", stderr); return 2; }
