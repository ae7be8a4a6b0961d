// What this machine can do on one thread, measured: the two limits of the roofline.
#ifndef WEFT_CLI_MACHINE_PEAK_H
#define WEFT_CLI_MACHINE_PEAK_H

double cli_peak_flops(void);       // f32 operations a second, a fused multiply-add counts as two; registers only
double cli_peak_bandwidth(void);   // bytes a second read from memory; 0 where there is no memory for the buffer
#endif
