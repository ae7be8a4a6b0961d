# Writes OUT: for each function of LIBRARY that the sources in FOLDER name, a stub that jumps through a slot. The slots belong to
# codegen/llvm/load_llvm.c, which fills them when the first stub is called. Run with -P; NM reads the library.
cmake_minimum_required(VERSION 3.25)
file(GLOB sources ${FOLDER}/*.c ${FOLDER}/*.h)
set(wanted)
foreach(source ${sources})
  file(READ ${source} text)
  string(REGEX MATCHALL "LLVM[A-Z][A-Za-z0-9_]*" names "${text}")
  list(APPEND wanted ${names})
endforeach()
list(REMOVE_DUPLICATES wanted)
list(SORT wanted)
execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE exported RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${NM} cannot read ${LIBRARY}")
endif()
string(REGEX MATCHALL " T LLVM[A-Z][A-Za-z0-9_]*" exported "${exported}")
string(REPLACE " T " "" exported "${exported}")

set(stubs "")
set(slots "")
set(names "")
set(count 0)
foreach(name ${wanted})
  if(NOT name IN_LIST exported)
    continue()
  endif()
  string(APPEND stubs ".globl ${name}\n.type ${name}, @function\n${name}:\n  endbr64\n  movl $${count}, %r11d\n  jmp *wf_llvm_slots+8*${count}(%rip)\n")
  string(APPEND slots "  .quad wf_llvm_first\n")
  string(APPEND names "  .asciz \"${name}\"\n")
  math(EXPR count "${count} + 1")
endforeach()

# The first call: arguments are kept while the slots are filled (integers, the vector registers that pass floats, and al).
set(keep "")
set(give "")
set(offset 8)
foreach(register rdi rsi rdx rcx r8 r9 rax r11)
  string(APPEND keep "  movq %${register}, -${offset}(%rbp)\n")
  string(APPEND give "  movq -${offset}(%rbp), %${register}\n")
  math(EXPR offset "${offset} + 8")
endforeach()
foreach(register RANGE 7)
  math(EXPR offset "80 + 16 * ${register}")
  string(APPEND keep "  movups %xmm${register}, -${offset}(%rbp)\n")
  string(APPEND give "  movups -${offset}(%rbp), %xmm${register}\n")
endforeach()

file(WRITE ${OUT}.new ".text\n${stubs}
wf_llvm_first:
  endbr64
  pushq %rbp
  movq %rsp, %rbp
  subq $192, %rsp
${keep}  call wf_llvm_resolve
${give}  leave
  leaq wf_llvm_slots(%rip), %r10
  jmp *(%r10, %r11, 8)
.data
.balign 8
.globl wf_llvm_slots
.hidden wf_llvm_slots
wf_llvm_slots:
${slots}.section .rodata
.globl wf_llvm_names
.hidden wf_llvm_names
wf_llvm_names:
${names}  .byte 0
.section .note.GNU-stack, \"\", @progbits
")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
