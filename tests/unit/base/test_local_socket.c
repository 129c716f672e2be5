// A named socket in a directory: who may have the name, and however long the path is.
#include "runtime/base/local_socket.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "control"

static char *directory;

static void make_directory(void)
{
    char        made[] = "/tmp/local-socket-XXXXXX";
    char *const deep   = wr_format("%s", mkdtemp(made) != NULL ? made : "");
    cr_assert_neq(deep[0], 0);
    directory = deep;
}

static void remove_directory(void)
{
    char *const path = wr_format("%s/" NAME, directory);
    (void)unlink(path);
    (void)rmdir(directory);
    wr_free(path);
    wr_free(directory);
}

TestSuite(local_socket, .init = make_directory, .fini = remove_directory);

static struct stat info_of_name(void)
{
    struct stat info = { .st_mode = 0 };
    char *const path = wr_format("%s/" NAME, directory);
    (void)stat(path, &info);
    wr_free(path);
    return info;
}

// A byte from one end to the other.
static void is_reached(int listening)
{
    const int client = wr_local_socket_connect(directory, NAME);
    cr_assert_geq(client, 0, "%s", strerror(-client));
    const int server = accept(listening, NULL, NULL);
    char      byte   = 0;
    cr_assert_geq(server, 0, "%s", strerror(errno));
    cr_assert_eq(send(client, "x", 1, 0), 1);
    cr_assert_eq(recv(server, &byte, 1, 0), 1);
    cr_assert_eq(byte, 'x');
    (void)close(client);
    (void)close(server);
}

Test(local_socket, is_reached_by_its_name_and_gone_when_closed)
{
    const int listening = wr_local_socket_listen(directory, NAME);
    cr_assert_geq(listening, 0, "%s", strerror(-listening));
    is_reached(listening);
    wr_local_socket_close(listening, directory, NAME);
    cr_assert_eq(info_of_name().st_mode, 0);
    cr_assert_eq(wr_local_socket_connect(directory, NAME), -ENOENT);
}

Test(local_socket, is_for_its_user_alone_whatever_the_umask)
{
    const mode_t before    = umask(0);
    const int    listening = wr_local_socket_listen(directory, NAME);
    cr_assert_eq(info_of_name().st_mode & 0777, 0600, "%o", info_of_name().st_mode);
    wr_local_socket_close(listening, directory, NAME);
    (void)umask(before);
}

Test(local_socket, replaces_one_that_a_process_left)
{
    const int left = wr_local_socket_listen(directory, NAME);
    (void)close(left); // and its name stays
    cr_assert_eq(wr_local_socket_connect(directory, NAME), -ECONNREFUSED);
    const int listening = wr_local_socket_listen(directory, NAME);
    cr_assert_geq(listening, 0, "%s", strerror(-listening));
    is_reached(listening);
    wr_local_socket_close(listening, directory, NAME);
}

Test(local_socket, does_not_replace_what_is_no_socket)
{
    char *const path = wr_format("%s/" NAME, directory);
    const int   file = open(path, O_CREAT | O_WRONLY, 0600);
    cr_assert_geq(file, 0);
    (void)close(file);
    cr_assert_eq(wr_local_socket_listen(directory, NAME), -EADDRINUSE);
    cr_assert(S_ISREG(info_of_name().st_mode));
    wr_free(path);
}

Test(local_socket, has_a_path_longer_than_an_address)
{
    char *const top = directory;
    directory       = wr_format("%s/%0150d", top, 0);
    cr_assert_eq(mkdir(directory, 0700), 0);
    const int listening = wr_local_socket_listen(directory, NAME);
    cr_assert_geq(listening, 0, "%s", strerror(-listening));
    cr_assert(S_ISSOCK(info_of_name().st_mode));
    is_reached(listening);
    wr_local_socket_close(listening, directory, NAME);
    cr_assert_eq(info_of_name().st_mode, 0);
    (void)rmdir(directory);
    wr_free(directory);
    directory = top;
}

Test(local_socket, says_why_it_cannot_be)
{
    cr_assert_eq(wr_local_socket_listen("/proc", NAME), geteuid() == 0 ? -ENOENT : -EACCES);
    cr_assert_eq(wr_local_socket_listen("/nowhere/at/all", NAME), -ENOENT);
    cr_assert_eq(wr_local_socket_connect("/nowhere/at/all", NAME), -ENOENT);
    cr_assert_eq(wr_local_socket_connect("/dev/null", NAME), -ENOTDIR);
}
