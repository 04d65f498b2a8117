/* Lets glibc's heap join what was freed, so that the next large block finds room where the last one was.

   An aligned block leaves crumbs of 32 to 96 bytes before and behind it. Before glibc 2.39 (bug 30723) they go to the thread's cache,
   seven of each size, and what lies in the cache counts as in use: a freed block of 8 MB with a crumb at its end is not joined with the
   free room behind it, small objects settle in the crumbs, and the heap grows instead. So the cache is emptied and filled again from low
   addresses: of each size that it keeps, TAKEN blocks are asked for, which takes its own first, and given back in the order of their
   addresses. The lowest go to the cache, the others to the heap, and a block that is too large for the cache makes it join them.

   Gives nothing to the system and moves nothing; some 50 µs. Nothing at all under another C library. */
#include <stdint.h>
#include <stdlib.h>

#ifdef __GLIBC__
enum { SMALLEST = 24, LARGEST = 1032, APART = 16, TAKEN = 32, UNCACHED = 4000 }; /* bytes, but for TAKEN */

void ts_tidy_heap(void) {
    for (size_t bytes = SMALLEST; bytes <= LARGEST; bytes += APART) {
        void *block[TAKEN]; /* by address */
        for (int taken = 0; taken < TAKEN; taken++) {
            void *fresh = malloc(bytes); /* NULL comes first, and is freed like any other */
            int at = taken;
            for (; at && (uintptr_t)block[at - 1] > (uintptr_t)fresh; at--) block[at] = block[at - 1];
            block[at] = fresh;
        }
        for (int i = 0; i < TAKEN; i++) free(block[i]);
    }
    void *volatile large = malloc(UNCACHED); /* volatile: or the compiler takes both calls away */
    free(large);
}
#else
void ts_tidy_heap(void) {}
#endif
