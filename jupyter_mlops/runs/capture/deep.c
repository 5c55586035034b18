/* Notes which files below a folder are opened, in every process that has it in LD_PRELOAD.

   The notes are in memory that the first process (the kernel) shares with its descendants;
   MLOPS_LINEAGE_CHANNEL has its name. Without a recording, an open costs two loads more. During a
   recording, the call runs first, then it is noted: without locks, allocation or descriptors, so
   that it is safe in any thread, after fork, and in a signal handler; `errno` does not change. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VARIABLE "MLOPS_LINEAGE_CHANNEL"
#define MAGIC 0x316e696c706f6c6dULL
#define LONGEST 4096
#define SLOTS 32768u /* a power of two */
#define ROOM (8u << 20)
#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND)
#define EXPORTED __attribute__((visibility("default")))

typedef struct {
    uint64_t magic;
    uint32_t owner; /* the process that records; 0: none */
    uint32_t on;
    uint32_t lost; /* a note was dropped for lack of room */
    uint64_t used;
    char root[2][LONGEST]; /* the project's path as given, and its real path */
    uint64_t known[SLOTS]; /* hashes of the notes, as each is written once */
    char notes[ROOM];      /* a letter and a path, closed by a zero byte */
} Channel;

static Channel *channel;

/* --- the channel ------------------------------------------------------------------------------ */

static Channel *mapped(int descriptor) {
    void *memory =
        mmap(NULL, sizeof(Channel), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static int sys_open(int at, const char *path, int flags, mode_t mode) {
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

static Channel *inherited(const char *name) {
    /* Its creator may have ended, and another process may have the same id: check before open. */
    struct stat facts;
    if (stat(name, &facts) || !S_ISREG(facts.st_mode) || facts.st_size != sizeof(Channel))
        return NULL;
    int descriptor = sys_open(AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0);
    if (descriptor < 0)
        return NULL;
    Channel *found = mapped(descriptor);
    close(descriptor);
    if (found && found->magic != MAGIC) {
        munmap(found, sizeof(Channel));
        found = NULL;
    }
    return found;
}

static Channel *made(void) {
    int descriptor = (int)syscall(SYS_memfd_create, "mlops-lineage", MFD_CLOEXEC);
    if (descriptor < 0)
        return NULL;
    /* A high number, because some programs rely on the lowest free one. */
    int high = fcntl(descriptor, F_DUPFD_CLOEXEC, 240);
    if (high >= 0) {
        close(descriptor);
        descriptor = high;
    }
    Channel *fresh = ftruncate(descriptor, sizeof(Channel)) ? NULL : mapped(descriptor);
    if (!fresh) {
        close(descriptor);
        return NULL;
    }
    fresh->magic = MAGIC;
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/fd/%d", getpid(), descriptor);
    setenv(VARIABLE, name, 1);
    return fresh;
}

__attribute__((constructor)) static void attach(void) {
    int before = errno;
    const char *name = getenv(VARIABLE);
    Channel *found = name ? inherited(name) : NULL;
    channel = found ? found : made();
    errno = before;
}

/* --- what deep.py calls ----------------------------------------------------------------------- */

EXPORTED int mlops_lineage_begin(const char *root, const char *real) {
    Channel *to = channel;
    if (!to)
        return ENOMEM;
    if (strlen(root) >= LONGEST || strlen(real) >= LONGEST)
        return ENAMETOOLONG;
    uint32_t owner = 0, me = (uint32_t)getpid();
    while (!__atomic_compare_exchange_n(&to->owner, &owner, me, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
        if (owner == me || kill((pid_t)owner, 0) == 0 || errno == EPERM)
            return EBUSY;
        /* The process that recorded has died. */
    }
    memset(to->known, 0, sizeof to->known);
    memset(to->notes, 0, to->used < ROOM ? to->used : ROOM);
    to->used = 0;
    to->lost = 0;
    strcpy(to->root[0], root);
    strcpy(to->root[1], real);
    __atomic_store_n(&to->on, 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* Stops, and returns the notes; they are valid until mlops_lineage_release. */
EXPORTED const char *mlops_lineage_end(uint64_t *used, uint32_t *lost) {
    Channel *to = channel;
    if (!to || to->owner != (uint32_t)getpid())
        return NULL;
    __atomic_store_n(&to->on, 0, __ATOMIC_SEQ_CST);
    *used = __atomic_load_n(&to->used, __ATOMIC_SEQ_CST);
    if (*used > ROOM)
        *used = ROOM;
    *lost = to->lost;
    return to->notes;
}

EXPORTED void mlops_lineage_release(void) {
    uint32_t me = (uint32_t)getpid();
    if (channel)
        __atomic_compare_exchange_n(&channel->owner, &me, 0, 0, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
}

/* --- paths ------------------------------------------------------------------------------------ */

static void descriptor_name(int descriptor, char *out) {
    char digits[16];
    int count = 0;
    unsigned rest = (unsigned)descriptor;
    do
        digits[count++] = (char)('0' + rest % 10);
    while (rest /= 10);
    memcpy(out, "/proc/self/fd/", 14);
    for (int i = 0; i < count; i++)
        out[14 + i] = digits[count - 1 - i];
    out[14 + count] = 0;
}

static int where(int descriptor, char *out) {
    char name[40];
    descriptor_name(descriptor, name);
    long length = syscall(SYS_readlinkat, AT_FDCWD, name, out, LONGEST - 1);
    if (length <= 0 || out[0] != '/')
        return 0;
    out[length] = 0;
    return 1;
}

/* Makes a path absolute without the disk, as Python's abspath does: links are not resolved. */
static int absolute(int at, const char *path, char *out) {
    size_t length = 0;
    if (path[0] != '/') {
        if (at != AT_FDCWD) {
            if (!where(at, out))
                return 0;
        } else if (syscall(SYS_getcwd, out, LONGEST) <= 0 || out[0] != '/')
            return 0;
        length = strlen(out);
        if (length == 1)
            length = 0;
    }
    while (*path) {
        const char *end = path;
        while (*end && *end != '/')
            end++;
        size_t size = (size_t)(end - path);
        if (size == 2 && path[0] == '.' && path[1] == '.') {
            while (length && out[--length] != '/')
                ;
        } else if (size && !(size == 1 && path[0] == '.')) {
            if (length + size + 2 > LONGEST)
                return 0;
            out[length++] = '/';
            memcpy(out + length, path, size);
            length += size;
        }
        path = *end ? end + 1 : end;
    }
    out[length] = 0;
    return length > 0;
}

static int below(const Channel *from, const char *path) {
    for (int i = 0; i < 2; i++) {
        size_t size = strlen(from->root[i]);
        if (size && !strncmp(path, from->root[i], size) && path[size] == '/')
            return 1;
    }
    return 0;
}

/* --- notes ------------------------------------------------------------------------------------ */

static int first_time(Channel *to, char letter, const char *path) {
    /* FNV-1a of 64 bits, its high half folded into the low one that chooses the slot. */
    uint64_t hash = (14695981039346656037ULL ^ (unsigned char)letter) * 1099511628211ULL;
    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * 1099511628211ULL;
    hash ^= hash >> 32;
    if (!hash)
        hash = 1;
    for (unsigned step = 0; step < 64; step++) {
        uint64_t *slot = &to->known[(hash + step) & (SLOTS - 1)];
        uint64_t held = 0;
        if (__atomic_compare_exchange_n(slot, &held, hash, 0, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return 1;
        if (held == hash)
            return 0;
    }
    return 1; /* no free slot: write the note again rather than lose it */
}

static void put(Channel *to, char letter, const char *path, char letter2, const char *path2) {
    size_t one = strlen(path) + 2, two = path2 ? strlen(path2) + 2 : 0;
    uint64_t at = __atomic_fetch_add(&to->used, one + two, __ATOMIC_RELAXED);
    if (at + one + two > ROOM) {
        __atomic_store_n(&to->lost, 1, __ATOMIC_RELAXED);
        return;
    }
    to->notes[at] = letter;
    memcpy(to->notes + at + 1, path, one - 1);
    if (path2) {
        to->notes[at + one] = letter2;
        memcpy(to->notes + at + one + 1, path2, two - 1);
    }
}

static Channel *recording(void) {
    Channel *to = channel;
    return to && __atomic_load_n(&to->on, __ATOMIC_RELAXED) ? to : NULL;
}

/* Whether the call will create the file; checked before the call. */
static int is_new(int at, const char *path, int flags) {
    if (!(flags & O_CREAT) || !path || !recording())
        return 0;
    int before = errno;
    int missing = syscall(SYS_faccessat, at, path, F_OK) != 0;
    errno = before;
    return missing;
}

static void note(int at, const char *path, int flags, int fresh, int descriptor) {
    Channel *to = recording();
    if (!to || descriptor < 0 || !path || flags & O_PATH)
        return;
    int before = errno;
    char full[LONGEST];
    struct stat facts;
    if (fstat(descriptor, &facts) || !S_ISREG(facts.st_mode)) {
        errno = before;
        return;
    }
    if ((absolute(at, path, full) && below(to, full)) ||
        (where(descriptor, full) && below(to, full))) {
        char letter = !(flags & WRITES)                                       ? 'r'
                      : fresh                                                 ? 'c'
                      : (flags & O_ACCMODE) == O_RDWR && !(flags & O_TRUNC) ? 'b'
                                                                              : 'w';
        if (first_time(to, letter, full))
            put(to, letter, full, 0, NULL);
    }
    errno = before;
}

static void note_move(int from, const char *old, int into, const char *new) {
    Channel *to = recording();
    if (!to || !old || !new)
        return;
    int before = errno;
    char one[LONGEST], two[LONGEST];
    if (absolute(from, old, one) && absolute(into, new, two) &&
        (below(to, one) || below(to, two)))
        put(to, 'm', one, '>', two);
    errno = before;
}

/* --- the calls -------------------------------------------------------------------------------- */

#define NEXT(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (!next)                                                                                     \
    next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static mode_t mode_of(int flags, va_list rest) {
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    EXPORTED int name(const char *path, int flags, ...) {                                          \
        NEXT(name);                                                                                \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode_t mode = mode_of(flags, rest);                                                        \
        va_end(rest);                                                                              \
        int fresh = is_new(AT_FDCWD, path, flags);                                                 \
        int got = next ? next(path, flags, mode) : sys_open(AT_FDCWD, path, flags, mode);          \
        note(AT_FDCWD, path, flags, fresh, got);                                                   \
        return got;                                                                                \
    }

#define OPENAT(name)                                                                               \
    EXPORTED int name(int at, const char *path, int flags, ...) {                                  \
        NEXT(name);                                                                                \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode_t mode = mode_of(flags, rest);                                                        \
        va_end(rest);                                                                              \
        int fresh = is_new(at, path, flags);                                                       \
        int got = next ? next(at, path, flags, mode) : sys_open(at, path, flags, mode);            \
        note(at, path, flags, fresh, got);                                                         \
        return got;                                                                                \
    }

#define CREAT(name)                                                                                \
    EXPORTED int name(const char *path, mode_t mode) {                                             \
        NEXT(name);                                                                                \
        int flags = O_CREAT | O_WRONLY | O_TRUNC, fresh = is_new(AT_FDCWD, path, flags);           \
        int got = next ? next(path, mode) : sys_open(AT_FDCWD, path, flags, mode);                 \
        note(AT_FDCWD, path, flags, fresh, got);                                                   \
        return got;                                                                                \
    }

/* The names of open in programs that were built with _FORTIFY_SOURCE. */
#define CHECKED(name)                                                                              \
    EXPORTED int name(const char *path, int flags) {                                               \
        NEXT(name);                                                                                \
        int got = next ? next(path, flags) : sys_open(AT_FDCWD, path, flags, 0);                   \
        note(AT_FDCWD, path, flags, 0, got);                                                       \
        return got;                                                                                \
    }

#define CHECKED_AT(name)                                                                           \
    EXPORTED int name(int at, const char *path, int flags) {                                       \
        NEXT(name);                                                                                \
        int got = next ? next(at, path, flags) : sys_open(at, path, flags, 0);                     \
        note(at, path, flags, 0, got);                                                             \
        return got;                                                                                \
    }

static int flags_of(const char *mode) {
    int plus = mode && strchr(mode, '+') != NULL;
    if (!mode || mode[0] == 'r')
        return plus ? O_RDWR : O_RDONLY;
    return (plus ? O_RDWR : O_WRONLY) | O_CREAT | (mode[0] == 'w' ? O_TRUNC : O_APPEND);
}

static void note_stream(const char *path, int flags, int fresh, FILE *stream) {
    if (stream && recording())
        note(AT_FDCWD, path, flags, fresh, fileno(stream));
}

#define FOPEN(name)                                                                                \
    EXPORTED FILE *name(const char *path, const char *mode) {                                      \
        NEXT(name);                                                                                \
        int flags = flags_of(mode), fresh = is_new(AT_FDCWD, path, flags);                         \
        FILE *got = next(path, mode);                                                              \
        note_stream(path, flags, fresh, got);                                                      \
        return got;                                                                                \
    }

#define FREOPEN(name)                                                                              \
    EXPORTED FILE *name(const char *path, const char *mode, FILE *stream) {                        \
        NEXT(name);                                                                                \
        int flags = flags_of(mode), fresh = is_new(AT_FDCWD, path, flags);                         \
        FILE *got = next(path, mode, stream);                                                      \
        note_stream(path, flags, fresh, got);                                                      \
        return got;                                                                                \
    }

OPEN(open)
OPENAT(openat)
CREAT(creat)
FOPEN(fopen)
FREOPEN(freopen)

#ifdef __GLIBC__
int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);
OPEN(open64)
OPENAT(openat64)
CREAT(creat64)
FOPEN(fopen64)
FREOPEN(freopen64)
CHECKED(__open_2)
CHECKED(__open64_2)
CHECKED_AT(__openat_2)
CHECKED_AT(__openat64_2)
#endif

EXPORTED int rename(const char *old, const char *new) {
    NEXT(rename);
    int got = next ? next(old, new) : (int)syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0);
    if (!got)
        note_move(AT_FDCWD, old, AT_FDCWD, new);
    return got;
}

EXPORTED int renameat(int from, const char *old, int into, const char *new) {
    NEXT(renameat);
    int got = next ? next(from, old, into, new)
                   : (int)syscall(SYS_renameat2, from, old, into, new, 0);
    if (!got)
        note_move(from, old, into, new);
    return got;
}

#ifdef __GLIBC__
EXPORTED int renameat2(int from, const char *old, int into, const char *new, unsigned flags) {
    NEXT(renameat2);
    int got = next ? next(from, old, into, new, flags)
                   : (int)syscall(SYS_renameat2, from, old, into, new, flags);
    if (!got && !(flags & RENAME_EXCHANGE))
        note_move(from, old, into, new);
    return got;
}
#endif
