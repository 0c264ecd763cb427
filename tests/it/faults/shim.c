/* Preloaded into pinql by the tests of faults: numbers every system call that changes something under one directory, and
 * spoils the one with the number that was asked for.
 *
 * A seccomp filter turns those calls into SIGSYS, whoever makes them: the C library, or Rust code that calls the kernel
 * itself (rustix does, for its renames). The handler numbers the call and then makes it from `shim_call`, which is the one
 * place that the filter lets through.
 *
 *   FAULT_UNDER  the directory, absolute and without links
 *   FAULT_LOG    a file outside of it that gets a line for each call: its number, its name, the path
 *   FAULT_AT     the number of the call to spoil; 0 for none
 *   FAULT_DO     kill   end the process instead of the call
 *                stop   stop the process before the call, which is made once it may go on
 *                eio    this call fails with EIO
 *                full   from this call on there is no space: what needs some fails with ENOSPC, a write after its first half
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

long shim_call(long number, long a, long b, long c, long d, long e, long f);
extern const char shim_called[];

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
__asm__(".text\n.globl shim_call\n.hidden shim_call\n.hidden shim_called\n"
        "shim_call:\n mov %rdi,%rax\n mov %rsi,%rdi\n mov %rdx,%rsi\n mov %rcx,%rdx\n mov %r8,%r10\n mov %r9,%r8\n"
        " mov 8(%rsp),%r9\n syscall\nshim_called:\n ret\n");
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
__asm__(".text\n.globl shim_call\n.hidden shim_call\n.hidden shim_called\n"
        "shim_call:\n mov x8,x0\n mov x0,x1\n mov x1,x2\n mov x2,x3\n mov x3,x4\n mov x4,x5\n mov x5,x6\n svc 0\n"
        "shim_called:\n ret\n");
#else
#error "teach the shim how this machine calls its kernel"
#endif

/* What a call needs beside a name: where its paths are, and whether it takes space. */
enum { FD, PATH, AT_PATH };
static const struct call {
    int number;
    const char *name;
    int place;    /* what the first of these arguments is */
    int first;    /* the first argument that is a file or a path */
    int second;   /* the second one, 0 if there is none */
    int space;    /* 1: takes space; 2: writes bytes whose count is its third argument */
} calls[] = {
#ifdef __x86_64__
    {SYS_open, "open", PATH, 0, 0, 1},          {SYS_creat, "creat", PATH, 0, 0, 1},
    {SYS_rename, "rename", PATH, 0, 1, 0},      {SYS_link, "link", PATH, 0, 1, 1},
    {SYS_symlink, "symlink", PATH, 1, 0, 1},    {SYS_unlink, "unlink", PATH, 0, 0, 0},
    {SYS_mkdir, "mkdir", PATH, 0, 0, 1},        {SYS_rmdir, "rmdir", PATH, 0, 0, 0},
    {SYS_chmod, "chmod", PATH, 0, 0, 0},
#endif
#ifdef SYS_renameat
    {SYS_renameat, "renameat", AT_PATH, 0, 2, 0},
#endif
    {SYS_openat, "openat", AT_PATH, 0, 0, 1},   {SYS_renameat2, "renameat2", AT_PATH, 0, 2, 0},
    {SYS_linkat, "linkat", AT_PATH, 0, 2, 1},   {SYS_symlinkat, "symlinkat", AT_PATH, 1, 0, 1},
    {SYS_unlinkat, "unlinkat", AT_PATH, 0, 0, 0}, {SYS_mkdirat, "mkdirat", AT_PATH, 0, 0, 1},
    {SYS_fchmodat, "fchmodat", AT_PATH, 0, 0, 0}, {SYS_utimensat, "utimensat", AT_PATH, 0, 0, 0},
    {SYS_truncate, "truncate", PATH, 0, 0, 0},  {SYS_ftruncate, "ftruncate", FD, 0, 0, 0},
    {SYS_write, "write", FD, 0, 0, 2},          {SYS_writev, "writev", FD, 0, 0, 1},
    {SYS_pwrite64, "pwrite", FD, 0, 0, 2},      {SYS_pwritev, "pwritev", FD, 0, 0, 1},
    {SYS_pwritev2, "pwritev2", FD, 0, 0, 1},    {SYS_copy_file_range, "copy_file_range", FD, 2, 0, 1},
    {SYS_sendfile, "sendfile", FD, 0, 0, 1},    {SYS_splice, "splice", FD, 2, 0, 1},
    {SYS_fallocate, "fallocate", FD, 0, 0, 1},  {SYS_fsync, "fsync", FD, 0, 0, 0},
    {SYS_fdatasync, "fdatasync", FD, 0, 0, 0},  {SYS_sync_file_range, "sync_file_range", FD, 0, 0, 0},
    {SYS_fchmod, "fchmod", FD, 0, 0, 0},        {SYS_fchown, "fchown", FD, 0, 0, 0},
};
#define CALLS (sizeof calls / sizeof *calls)

static char under[PATH_MAX];
static long at;
static char what = ' ';
static int to_log;
static long count;

static int is_under(const char *path) {
    size_t length = strlen(under);
    return strncmp(path, under, length) == 0 && (path[length] == '/' || path[length] == 0 || path[length] == ' ');
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

/* The path that argument `index` is about, if it lies under the directory. */
static int finds(const struct call *call, const long *args, int index, char *path) {
    if (call->place == FD) return path_of((int)args[index], path) && is_under(path);
    const char *text = (const char *)(call->place == PATH ? args[index] : args[index + 1]);
    int dir = call->place == PATH ? AT_FDCWD : (int)args[index];
    if (!text || text[0] == '/') {
        snprintf(path, PATH_MAX, "%s", text ? text : "");
        if (!text && !path_of(dir, path)) return 0;
        return is_under(path);
    }
    if (dir == AT_FDCWD ? !getcwd(path, PATH_MAX) : !path_of(dir, path)) return 0;
    size_t length = strlen(path);
    snprintf(path + length, PATH_MAX - length, "/%s", text);
    return is_under(path);
}

static long make(const struct call *call, long *args) {
    char path[PATH_MAX];
    int ours = finds(call, args, call->first, path) || (call->second && finds(call, args, call->second, path));
    if (!ours) return shim_call(call->number, args[0], args[1], args[2], args[3], args[4], args[5]);
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, call->name, path + strlen(under));
    shim_call(SYS_write, to_log, (long)line, length, 0, 0, 0);
    if (number == at && what == 'k') {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    if (number == at && what == 's') kill(getpid(), SIGSTOP);
    if (number == at && what == 'e') return -EIO;
    if (at && number >= at && what == 'f' && call->space) {
        if (number == at && call->space == 2 && args[2] > 1)
            return shim_call(call->number, args[0], args[1], args[2] / 2, args[3], args[4], args[5]);
        return -ENOSPC;
    }
    return shim_call(call->number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

static void caught(int signal, siginfo_t *info, void *context) {
    (void)signal;
    int saved = errno;
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
#ifdef __x86_64__
    greg_t *r = machine->gregs;
    long args[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
#else
    unsigned long long *r = machine->regs;
    long args[6] = {r[0], r[1], r[2], r[3], r[4], r[5]};
#endif
    long result = -ENOSYS;
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].number == info->si_syscall) result = make(&calls[i], args);
#ifdef __x86_64__
    r[REG_RAX] = result;
#else
    r[0] = result;
#endif
    errno = saved;
}

static void give_up(const char *why) {
    perror(why);
    _exit(97);
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UPPER(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Opening a file changes the disk only with one of these. */
#define MAKES (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

__attribute__((constructor)) static void begin(void) {
    const char *dir = getenv("FAULT_UNDER"), *log = getenv("FAULT_LOG");
    if (!dir || !log) return;
    snprintf(under, sizeof under, "%s", dir);
    at = getenv("FAULT_AT") ? atol(getenv("FAULT_AT")) : 0;
    what = getenv("FAULT_DO") ? getenv("FAULT_DO")[0] : ' ';
    int opened = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    to_log = fcntl(opened, F_DUPFD_CLOEXEC, 200);
    if (opened < 0 || to_log < 0) give_up("the shim's log");
    close(opened);
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (sigaction(SIGSYS, &action, NULL)) give_up("the shim's signal");

    unsigned long long called = (unsigned long long)shim_called;
    struct sock_filter code[16 + 2 * CALLS] = {
        LOAD(arch), EQUAL(ARCH, 1, 0), ALLOW,
        /* From the handler itself. */
        LOAD(instruction_pointer), EQUAL((unsigned)called, 0, 3),
        UPPER(instruction_pointer), EQUAL((unsigned)(called >> 32), 0, 1), ALLOW,
        LOAD(nr),
    };
    unsigned short used = 9;
    unsigned short left = CALLS;
    for (size_t i = 0; i < CALLS; i++, left--) {
        int number = calls[i].number, is_open = number == SYS_openat;
        unsigned char to = (unsigned char)(left + (is_open ? 1 : 0));
#ifdef __x86_64__
        if (number == SYS_open) to = (unsigned char)(left + 3);
#endif
        code[used++] = (struct sock_filter)EQUAL((unsigned)number, to, 0);
    }
    /* None of these is let through. `left` leads to the trap, `left + 1` to the flags of openat, `left + 3` to those of open. */
    code[used++] = (struct sock_filter)ALLOW;
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    code[used++] = (struct sock_filter)LOAD(args[2]);
    code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAKES, 3, 2);
    code[used++] = (struct sock_filter)LOAD(args[1]);
    code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAKES, 1, 0);
    code[used++] = (struct sock_filter)ALLOW;
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {.len = used, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) give_up("no new privileges");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) give_up("seccomp");
}
