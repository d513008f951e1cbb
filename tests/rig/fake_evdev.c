/*
 * fake_evdev: lets an unmodified program open the simulated keypad as an input device where the kernel has no uinput.
 *
 *   cc -shared -fPIC -O1 -Wall -Wextra -o fake_evdev.so fake_evdev.c
 *   FAKE_EVDEV=/run/x/event0=/run/x/keypad.sock LD_PRELOAD=./fake_evdev.so program
 *
 * FAKE_EVDEV lists nodes with commas, each as PATH=SOCKET, or as SOCKET alone when the program opens the socket's own
 * path. Opening such a path connects to `smartpos-sim keypad --socket SOCKET`; read and the evdev ioctls on the new
 * descriptor then do what evdev does. All other files are left alone. The protocol stands in src/sim/keypad/node.rs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* The C library's own function, looked up once. */
#define NEXT(name)                                                                                                     \
    ({                                                                                                                 \
        static __typeof__(&name) next;                                                                                 \
        if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                                  \
        next;                                                                                                          \
    })
#define MAX_NODES 256

/* What the simulator says of the device, in its order. */
struct description {
    struct input_id id;
    uint32_t types;
    uint8_t keys[96];
    uint32_t repeat[2];
    char name[64];
};

/* An open node. Known by the inode of its socket: descriptors are duplicated and used again for other files. */
struct node {
    dev_t dev;
    ino_t ino;
    uint32_t number;
    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static struct node nodes[MAX_NODES];
static unsigned opened;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int fail(int error) {
    errno = error;
    return -1;
}

/* The socket behind a path, or nothing when the path is an ordinary one. */
static int socket_of(const char *path, char *to, size_t size) {
    const char *rest = getenv("FAKE_EVDEV");
    size_t want = path ? strlen(path) : 0;
    while (rest && want && *rest) {
        size_t entry = strcspn(rest, ","), name = strcspn(rest, "=,");
        const char *target = name < entry ? rest + name + 1 : rest;
        size_t length = (size_t)(rest + entry - target);
        if (name == want && memcmp(rest, path, want) == 0 && length > 0 && length < size) {
            memcpy(to, target, length);
            to[length] = 0;
            return 1;
        }
        rest += entry + (rest[entry] == ',');
    }
    return 0;
}

static int read_fully(int fd, void *to, size_t size) {
    for (size_t got = 0; got < size;) {
        ssize_t n = NEXT(read)(fd, (char *)to + got, size - got);
        if (n > 0) got += (size_t)n;
        else if (n == 0 || errno != EINTR) return 0;
    }
    return 1;
}

/* Connects, sends an order and reads the fixed answer. The descriptor stays open. */
static int ask(const char *path, const void *order, size_t order_size, void *answer, size_t answer_size) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    strncpy(to.sun_path, path, sizeof to.sun_path - 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, order, order_size, MSG_NOSIGNAL) == (ssize_t)order_size && read_fully(fd, answer, answer_size)) {
        patience.tv_sec = 0;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        return fd;
    }
    close(fd);
    return -1;
}

static int ask_once(const char *path, const void *order, size_t order_size, void *answer, size_t answer_size) {
    int fd = ask(path, order, order_size, answer, answer_size);
    if (fd < 0) return fail(ENODEV);
    close(fd);
    return 0;
}

static int open_node(const char *path, int flags) {
    uint32_t number;
    struct stat own;
    int fd = ask(path, "E", 1, &number, sizeof number);
    /* An unplugged device has no node. */
    if (fd < 0) return fail(ENOENT);
    if (fstat(fd, &own) < 0) return fd;
    if (flags & O_NONBLOCK) fcntl(fd, F_SETFL, O_NONBLOCK);
    if (!(flags & O_CLOEXEC)) fcntl(fd, F_SETFD, 0);
    pthread_mutex_lock(&lock);
    struct node *node = &nodes[opened++ % MAX_NODES];
    *node = (struct node){.dev = own.st_dev, .ino = own.st_ino, .number = number};
    strncpy(node->socket, path, sizeof node->socket - 1);
    pthread_mutex_unlock(&lock);
    return fd;
}

/* Whether a descriptor is one of ours; a copy of what is known of it. */
static int node_of(int fd, struct node *found) {
    struct stat own;
    int hit = 0;
    if (opened == 0 || fstat(fd, &own) < 0 || !S_ISSOCK(own.st_mode)) return 0;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < MAX_NODES && !hit; i++) {
        if (nodes[i].ino == own.st_ino && nodes[i].dev == own.st_dev && nodes[i].number) {
            *found = nodes[i];
            hit = 1;
        }
    }
    pthread_mutex_unlock(&lock);
    return hit;
}

/* Unplugged or revoked: from then on everything fails. */
static int is_gone(int fd) {
    struct pollfd own = {.fd = fd, .events = POLLIN};
    return poll(&own, 1, 0) > 0 && (own.revents & (POLLHUP | POLLERR));
}

/* Copies as much as the caller has room for and gives that length, as evdev does. */
static int give(void *to, size_t room, const void *from, size_t size) {
    size_t n = room < size ? room : size;
    memset(to, 0, room);
    memcpy(to, from, n);
    return (int)n;
}

static int grab(const struct node *node, int on) {
    uint8_t order[5] = {on ? 'G' : 'U'}, error;
    memcpy(order + 1, &node->number, 4);
    if (ask_once(node->socket, order, sizeof order, &error, 1) < 0) return -1;
    return error ? fail(error) : 0;
}

static int evdev_ioctl(int fd, const struct node *node, unsigned long request, void *argument) {
    static const uint8_t none[96];
    static const uint8_t scan = 1 << MSC_SCAN;
    unsigned nr = _IOC_NR(request);
    size_t room = _IOC_SIZE(request);
    int version = EV_VERSION;
    uint8_t down[96];
    struct description about;
    if (is_gone(fd)) return fail(ENODEV);
    switch (nr) {
    case 0x01: memcpy(argument, &version, sizeof version); return 0;           /* EVIOCGVERSION */
    case 0x07: case 0x08: return fail(ENOENT);                                 /* EVIOCGPHYS, EVIOCGUNIQ */
    case 0x09: case 0x19: case 0x1a: case 0x1b:                                /* properties, lamps, sounds, switches */
        return give(argument, room, none, sizeof none);
    case 0x18:                                                                 /* EVIOCGKEY */
        return ask_once(node->socket, "K", 1, down, sizeof down) < 0 ? -1 : give(argument, room, down, sizeof down);
    case 0x90: return grab(node, argument != NULL);                            /* EVIOCGRAB */
    case 0x91: return shutdown(fd, SHUT_RDWR);                                 /* EVIOCREVOKE */
    case 0xa0: return 0;                                                       /* EVIOCSCLOCKID */
    }
    if (_IOC_DIR(request) == _IOC_WRITE) return nr == 0x03 ? 0 : fail(EINVAL); /* EVIOCSREP */
    if (ask_once(node->socket, "D", 1, &about, sizeof about) < 0) return -1;
    switch (nr) {
    case 0x02: give(argument, room, &about.id, sizeof about.id); return 0;         /* EVIOCGID */
    case 0x03: give(argument, room, about.repeat, sizeof about.repeat); return 0;  /* EVIOCGREP */
    case 0x06: return give(argument, room, about.name, strlen(about.name) + 1);    /* EVIOCGNAME */
    case 0x20: return give(argument, room, &about.types, sizeof about.types);      /* EVIOCGBIT */
    case 0x20 + EV_KEY: return give(argument, room, about.keys, sizeof about.keys);
    case 0x20 + EV_MSC: return give(argument, room, &scan, 1);
    default: return nr > 0x20 && nr <= 0x20 + EV_MAX ? give(argument, room, none, sizeof none) : fail(EINVAL);
    }
}

ssize_t read(int fd, void *to, size_t size) {
    struct node node;
    if (!node_of(fd, &node)) return NEXT(read)(fd, to, size);
    if (is_gone(fd)) return fail(ENODEV);
    if (size != 0 && size < sizeof(struct input_event)) return fail(EINVAL);
    ssize_t n = NEXT(read)(fd, to, size - size % sizeof(struct input_event));
    return (n == 0 && size != 0) || (n < 0 && errno == ECONNRESET) ? fail(ENODEV) : n;
}

int ioctl(int fd, unsigned long request, ...) {
    struct node node;
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (_IOC_TYPE(request) == 'E' && node_of(fd, &node)) return evdev_ioctl(fd, &node, request, argument);
    return NEXT(ioctl)(fd, request, argument);
}

/* The four ways to open a file; the mode is there only when a file may be made. */
#define OPENING(name, parameters, arguments)                                                                           \
    int name parameters {                                                                                              \
        char socket_path[sizeof nodes->socket];                                                                        \
        mode_t mode = 0;                                                                                               \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                                                         \
            va_list list;                                                                                              \
            va_start(list, flags);                                                                                     \
            mode = va_arg(list, mode_t);                                                                               \
            va_end(list);                                                                                              \
        }                                                                                                              \
        if (socket_of(path, socket_path, sizeof socket_path)) return open_node(socket_path, flags);                    \
        return NEXT(name) arguments;                                                                                   \
    }

OPENING(open, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPENING(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))
