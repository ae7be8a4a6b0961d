#include "runtime/standalone/slot.h"

// In a file of its own, so that no compiler takes the zeros for what a program will hold.
const weft_slot weft_program_slot = {.mark = WEFT_SLOT_MARK};
