#include "runtime/base/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

struct place {
    int                directory; // kept open while the address is used
    int                socket;
    struct sockaddr_un address;
};

// 0, or -errno and nothing is open.
static int place_open(struct place *place, const char *directory, const char *name)
{
    *place           = (struct place){ .address = { .sun_family = AF_UNIX } };
    place->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place->directory < 0) {
        return -errno;
    }
    const size_t room = sizeof(place->address.sun_path);
    if ((size_t)snprintf(place->address.sun_path, room, "%s/%s", directory, name) >= room) {
        (void)snprintf(place->address.sun_path, room, "/proc/self/fd/%d/%s", place->directory,
                       name);
    }
    place->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (place->socket < 0) {
        const int error = -errno;
        (void)close(place->directory);
        return error;
    }
    return 0;
}

// The socket, or `status` if that is not 0.
static int place_close(struct place *place, int status)
{
    (void)close(place->directory);
    if (status < 0) {
        (void)close(place->socket);
        return status;
    }
    return place->socket;
}

static void unlink_stale(const struct place *place, const char *name)
{
    struct stat info;
    if (fstatat(place->directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISSOCK(info.st_mode)) {
        (void)unlinkat(place->directory, name, 0);
    }
}

int wr_local_socket_listen(const char *directory, const char *name)
{
    struct place place;
    int          status = place_open(&place, directory, name);
    if (status < 0) {
        return status;
    }
    unlink_stale(&place, name);
    if (bind(place.socket, (const struct sockaddr *)&place.address, sizeof(place.address)) < 0) {
        return place_close(&place, -errno);
    }
    // Nobody can connect before it listens, and then the mode is what it should be.
    if (fchmodat(place.directory, name, S_IRUSR | S_IWUSR, 0) < 0 ||
        listen(place.socket, BACKLOG) < 0) {
        status = -errno;
        (void)unlinkat(place.directory, name, 0);
    }
    return place_close(&place, status);
}

void wr_local_socket_close(int listening, const char *directory, const char *name)
{
    char *const path = wr_format("%s/%s", directory, name);
    (void)unlink(path);
    (void)close(listening);
    wr_free(path);
}

int wr_local_socket_connect(const char *directory, const char *name)
{
    struct place place;
    int          status = place_open(&place, directory, name);
    if (status < 0) {
        return status;
    }
    status =
        connect(place.socket, (const struct sockaddr *)&place.address, sizeof(place.address)) < 0
            ? -errno
            : 0;
    return place_close(&place, status);
}
