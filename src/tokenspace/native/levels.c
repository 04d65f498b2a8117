/* Which builds of the kernels this processor can run, and from which sources they were made.

   x86-64 knows four levels (x86-64 psABI, table 3.1): 1 is every 64-bit CPU, 3 adds AVX2 and FMA, 4 adds AVX-512. Level 2 is built for no
   kernel: it brings no wider vectors. 5 is our own number for a 4 that has VNNI, which multiplies bytes. Asked by CPUID and not by __builtin_cpu_supports, whose run-time part is not in every compiler
   and which names whole levels only since GCC 12. The answer counts the operating system's part too: XCR0 says whether it saves the wide
   registers. */
#include <stdint.h>

#ifndef TOKENSPACE_SOURCES
#define TOKENSPACE_SOURCES "unknown"
#endif

/* The digest of the C files that were compiled. The door compares it with the files it finds, so that a library which is older than its
   sources, and may take other arguments, is never called. */
const char *ts_sources(void) { return TOKENSPACE_SOURCES; }

#if defined(__x86_64__)
#include <cpuid.h>

enum { EBX, ECX };
static const struct { int level; unsigned leaf; int reg; uint32_t bits; } NEEDS[] = {
    {3, 1, ECX, 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29},             /* FMA, MOVBE, OSXSAVE, AVX, F16C */
    {3, 7, EBX, 1u << 3 | 1u << 5 | 1u << 8},                                      /* BMI1, AVX2, BMI2 */
    {3, 0x80000001u, ECX, 1u << 5},                                                /* LZCNT */
    {4, 7, EBX, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31},             /* AVX-512 F, DQ, CD, BW, VL */
    {5, 7, ECX, 1u << 11},                                                         /* AVX-512 VNNI: products of bytes, added up */
};

static uint32_t saved_registers(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

int32_t ts_cpu_level(void) {
    int32_t level = 5;
    for (unsigned i = 0; i < sizeof NEEDS / sizeof *NEEDS; i++) {
        uint32_t a = 0, b = 0, c = 0, d = 0;
        __get_cpuid_count(NEEDS[i].leaf, 0, &a, &b, &c, &d);
        uint32_t seen = NEEDS[i].reg == EBX ? b : c;
        if ((seen & NEEDS[i].bits) != NEEDS[i].bits && NEEDS[i].level <= level) level = NEEDS[i].level == 3 ? 1 : NEEDS[i].level - 1;
    }
    if (level >= 3 && (saved_registers() & 0x06) != 0x06) level = 1;                /* SSE and AVX state */
    if (level >= 4 && (saved_registers() & 0xe0) != 0xe0) level = 3;                /* AVX-512 state; macOS turns it on late */
    return level;
}
#else
int32_t ts_cpu_level(void) { return 1; }
#endif
