/* Calls a kernel by name with arguments read from standard input, and writes its answer and all its arrays to standard output.
 *
 * Linked with the kernels for another processor and run by an emulator: see kernels_elsewhere.py. On AArch64 whole numbers and
 * addresses travel in eight registers and then on the stack, floating-point numbers in eight registers of their own, so that one
 * type of call serves every kernel. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL(name) extern void ts_##name(void);
#include "kernels.h"
#undef KERNEL

static const struct {
    const char *name;
    void (*call)(void);
} KERNELS[] = {
#define KERNEL(name) {#name, ts_##name},
#include "kernels.h"
};

enum { MOST = 56 };

typedef int64_t (*any)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double, double, double, double, double,
                       double, double, double, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                       int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                       int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                       int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t);

static void get(void *to, size_t size)
{
    if (fread(to, 1, size, stdin) != size)
        exit(3);
}

int main(void)
{
    char name[32], kind;
    int32_t count;
    for (;;) {
        if (fread(name, 1, sizeof name, stdin) != sizeof name)
            return 0;
        get(&count, sizeof count);
        int64_t w[MOST] = {0}, size[MOST], arrays = 0;
        double f[8] = {0};
        void *array[MOST];
        for (int whole = 0, real = 0, i = 0; i < count; i++) {
            get(&kind, 1);
            if (kind == 'a') { /* an array: its bytes, 64 after a line's start */
                get(size + arrays, 8);
                array[arrays] = aligned_alloc(64, (size_t)(size[arrays] + 191) / 64 * 64);
                get(array[arrays], (size_t)size[arrays]);
                w[whole++] = (int64_t)(intptr_t)array[arrays++];
            } else if (kind == 'i') {
                get(w + whole++, 8);
            } else { /* a float32 stands in the lower half of its register */
                get(f + real++, 8);
            }
        }
        any call = NULL;
        for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++)
            if (strcmp(KERNELS[i].name, name) == 0)
                call = (any)KERNELS[i].call;
        if (!call)
            return 4;
        int64_t answer = call(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], w[8], w[9],
                              w[10], w[11], w[12], w[13], w[14], w[15], w[16], w[17], w[18], w[19], w[20], w[21], w[22], w[23], w[24],
                              w[25], w[26], w[27], w[28], w[29], w[30], w[31], w[32], w[33], w[34], w[35], w[36], w[37], w[38], w[39],
                              w[40], w[41], w[42], w[43], w[44], w[45], w[46], w[47], w[48], w[49], w[50], w[51], w[52], w[53], w[54],
                              w[55]);
        fwrite(&answer, 8, 1, stdout);
        for (int64_t i = 0; i < arrays; i++) {
            fwrite(array[i], 1, (size_t)size[i], stdout);
            free(array[i]);
        }
        fflush(stdout);
    }
}
