/*
 * Preloaded by scripts/as-avx2: programs see a processor with AVX2 and without what came after it (with AVX-512
 * where AS_AVX2_KEEP_AVX512 is set).
 *
 * Linux can make the CPUID instruction fault (arch_prctl(ARCH_CPUID, 0), x86-64, with the processor flag cpuid_fault). The fault arrives
 * as SIGSEGV; the handler here runs the true instruction, clears the newer instruction sets in its answer, and continues after it.
 * Threads and forked processes inherit the setting; exec clears it, and the library, which is preloaded again, sets it again. Programs that
 * handle SIGSEGV themselves (Node does, for WebAssembly) get all other faults.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

typedef int (*sigaction_t)(int, const struct sigaction *, struct sigaction *);
typedef int (*sigmask_t)(int, const sigset_t *, sigset_t *);

static sigaction_t real_sigaction;
/* What the program wants done about its own faults. */
static struct sigaction theirs = {.sa_handler = SIG_DFL};

/* Whether AVX-512F, CD, BW, DQ and VL stay. */
static int keep_avx512;

/* Bits of CPUID's answer, by leaf (Intel SDM, volume 2, CPUID). */
static void hide_newer(unsigned leaf, unsigned part, unsigned *eax, unsigned *ebx, unsigned *ecx, unsigned *edx) {
  if (leaf == 7 && part == 0) {
    /* AVX512: IFMA, PF, ER; F, DQ, CD, BW, VL. */
    *ebx &= ~(BIT(21) | BIT(26) | BIT(27));
    if (!keep_avx512) *ebx &= ~(BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31));
    /* AVX512: VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ. */
    *ecx &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
    /* AVX512: 4VNNIW, 4FMAPS, VP2INTERSECT; AMX: BF16; AVX512_FP16; AMX: TILE, INT8. */
    *edx &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
  }
  if (leaf == 7 && part == 1) {
    /* AVX-VNNI, AVX512_BF16, AMX-FP16, AVX-IFMA. */
    *eax &= ~(BIT(4) | BIT(5) | BIT(21) | BIT(23));
    /* AVX-VNNI-INT8, AVX-NE-CONVERT, AMX-COMPLEX, AVX-VNNI-INT16, AVX10. */
    *edx &= ~(BIT(4) | BIT(5) | BIT(8) | BIT(10) | BIT(19));
  }
}

static int is_cpuid(const siginfo_t *info, const ucontext_t *context) {
  if (info->si_code != SI_KERNEL) return 0;
  const unsigned char *at = (const unsigned char *)context->uc_mcontext.gregs[REG_RIP];
  return at[0] == 0x0f && at[1] == 0xa2;
}

static void answer(ucontext_t *context) {
  greg_t *registers = context->uc_mcontext.gregs;
  const unsigned leaf = (unsigned)registers[REG_RAX], part = (unsigned)registers[REG_RCX];
  unsigned eax, ebx, ecx, edx;
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
  __cpuid_count(leaf, part, eax, ebx, ecx, edx);
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
  hide_newer(leaf, part, &eax, &ebx, &ecx, &edx);
  registers[REG_RAX] = eax;
  registers[REG_RBX] = ebx;
  registers[REG_RCX] = ecx;
  registers[REG_RDX] = edx;
  registers[REG_RIP] += 2;
}

static void on_fault(int number, siginfo_t *info, void *place) {
  if (is_cpuid(info, place)) answer(place);
  else if (theirs.sa_flags & SA_SIGINFO) theirs.sa_sigaction(number, info, place);
  else if (theirs.sa_handler != SIG_DFL && theirs.sa_handler != SIG_IGN) theirs.sa_handler(number);
  else {
    /* No handler exists: the same instruction faults again, and ends the program as usual. */
    struct sigaction usual = {.sa_handler = SIG_DFL};
    real_sigaction(number, &usual, NULL);
  }
}

int sigaction(int number, const struct sigaction *wanted, struct sigaction *before) {
  if (real_sigaction == NULL) real_sigaction = (sigaction_t)dlsym(RTLD_NEXT, "sigaction");
  if (number != SIGSEGV) return real_sigaction(number, wanted, before);
  const struct sigaction old = theirs;
  if (wanted != NULL) theirs = *wanted;
  if (before != NULL) *before = old;
  return 0;
}

sighandler_t signal(int number, sighandler_t handler) {
  struct sigaction wanted = {.sa_handler = handler, .sa_flags = SA_RESTART}, before;
  return sigaction(number, &wanted, &before) == 0 ? before.sa_handler : SIG_ERR;
}

/* A thread that blocks SIGSEGV would be killed by its first CPUID. */
static int mask(const char *name, int how, const sigset_t *wanted, sigset_t *before) {
  const sigmask_t real = (sigmask_t)dlsym(RTLD_NEXT, name);
  if (wanted == NULL || how == SIG_UNBLOCK) return real(how, wanted, before);
  sigset_t rest = *wanted;
  sigdelset(&rest, SIGSEGV);
  return real(how, &rest, before);
}

int pthread_sigmask(int how, const sigset_t *wanted, sigset_t *before) {
  return mask("pthread_sigmask", how, wanted, before);
}

int sigprocmask(int how, const sigset_t *wanted, sigset_t *before) {
  return mask("sigprocmask", how, wanted, before);
}

__attribute__((constructor)) static void start(void) {
  keep_avx512 = getenv("AS_AVX2_KEEP_AVX512") != NULL;
  if (real_sigaction == NULL) real_sigaction = (sigaction_t)dlsym(RTLD_NEXT, "sigaction");
  struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
  real_sigaction(SIGSEGV, &ours, NULL);
  if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0) {
    fprintf(stderr, "as-avx2: this processor or kernel cannot hide instruction sets (no cpuid_fault)\n");
    _exit(125);
  }
}
