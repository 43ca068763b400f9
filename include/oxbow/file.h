/* SPDX-License-Identifier: MIT */
/*
 * Files. What is in the page cache is read at once; whatever has to wait for a device runs in a thread (at
 * most 16 at a time, see thread.h) while other coroutines go on. Paths, flags and results are those of the
 * system calls.
 *
 * Cancel: what has not begun in its thread is taken back (OX_ECANCELED, nothing has happened). What has begun
 * cannot be: the caller waits for its end, and gets its result. Pipes, terminals and sockets are for streams
 * (stream.h).
 */
#ifndef OXBOW_FILE_H
#define OXBOW_FILE_H

#include <fcntl.h>
#include <oxbow/base.h>
#include <sys/file.h>
#include <sys/stat.h>

OX_BEGIN

typedef struct ox_file ox_file;

/**
 * Opens a file.
 *
 * @flags, @mode: as open(2); O_CLOEXEC and O_NOCTTY are added. @ret: owned: ox_file_close() or OX_AUTO_FILE.
 * Returns: 0; OX_ECANCELED, OX_ENOMEM, -errno. Yields: always. Cancel: at once; what opens later is closed.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_file_open(const char *path, int flags, mode_t mode, ox_file **ret);

/** Makes a file of a descriptor, which is given. Returns: 0; OX_ENOMEM (and closes), -EBADF. Since: 0.1 */
OX_API int ox_file_adopt(int fd, ox_file **ret);

/**
 * Closes the file, when calls that are in it have returned; later ones fail with OX_ECLOSED. It is closed
 * whatever this returns. Takes NULL.
 *
 * Returns: 0; -errno (of an error that the system had not told before: on a network, say). Yields: if the
 * file was opened for writing. Cancel: closes nevertheless. Since: 0.1
 */
OX_API OX_YIELDS int ox_file_close(ox_file *f);
static inline void ox_file_auto_(ox_file **f) { ox_file_close(*f); }
#define OX_AUTO_FILE __attribute__((cleanup(ox_file_auto_))) ox_file

/**
 * Reads cap bytes at the file's position, which moves on.
 *
 * Returns: the number of bytes, less than cap only where the file ends (0: nothing is left) or an error
 * follows; OX_ECLOSED, OX_ECANCELED, -errno. Yields: for what is not in memory. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_file_read(ox_file *f, void *buf, size_t cap);

/** The same at an offset, without a position: any number at a time. Since: 0.1 */
OX_API OX_YIELDS ssize_t ox_file_pread(ox_file *f, void *buf, size_t cap, int64_t offset);

/**
 * Writes len bytes at the file's position (with O_APPEND at its end), which moves on.
 *
 * Returns: the number of bytes, less than len only if an error follows (the next call reports it: -ENOSPC,
 * say); OX_ECLOSED, OX_ECANCELED, -errno. Yields: unless the file system takes it without waiting. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_file_write(ox_file *f, const void *buf, size_t len);

/** The same at an offset. Since: 0.1 */
OX_API OX_YIELDS ssize_t ox_file_pwrite(ox_file *f, const void *buf, size_t len, int64_t offset);

/** Moves the position, as lseek(2). Returns: the new one; OX_ECLOSED, -errno. Since: 0.1 */
OX_API int64_t ox_file_seek(ox_file *f, int64_t offset, int whence);

/**
 * Waits until what was written is on the device: data and metadata, or only what reading it needs. Returns:
 * 0; as above. Since: 0.1
 */
OX_API OX_YIELDS int ox_file_sync(ox_file *f);
OX_API OX_YIELDS int ox_file_sync_data(ox_file *f);

/** Makes the file that long; new bytes are 0. Returns: 0; as above. Since: 0.1 */
OX_API OX_YIELDS int ox_file_truncate(ox_file *f, int64_t size);

/** As fstat(2). Returns: 0; as above. Since: 0.1 */
OX_API OX_YIELDS int ox_file_stat(ox_file *f, struct stat *ret);

/**
 * Locks the file against other open files, of this process or another: an advisory lock of all of it, that
 * belongs to the open file (F_OFD_SETLK) and ends with it.
 *
 * @how: LOCK_SH or LOCK_EX, or LOCK_UN to unlock; with LOCK_NB it does not wait. One lock is turned into the
 * other.
 * Returns: 0; OX_EBUSY with LOCK_NB; OX_EINVAL, OX_ECLOSED, OX_ECANCELED, -EBADF (exclusive needs a file open
 * for writing, shared for reading), -errno. Yields: always. The system tells nobody of an unlocking in time:
 * it is tried again, every 25 ms at last. Cancel: not locked. Since: 0.1
 */
OX_API OX_YIELDS int ox_file_lock(ox_file *f, int how);

/** The descriptor, the file's still. Since: 0.1 */
OX_API int ox_file_fd(const ox_file *f);

/* ---- all of a file at once ---- */

/** What is in a file. */
typedef struct ox_contents {
	size_t len;
	const char *data;               /* and a NUL behind */
} ox_contents;

/**
 * Reads all of a file.
 *
 * @limit: the most bytes; SIZE_MAX if any number will do. @ret: owned: ox_contents_free() or
 * OX_AUTO_CONTENTS.
 * Returns: 0; OX_ETOOBIG: it has more; OX_ECANCELED, OX_ENOMEM, -errno. Yields: always. Cancel: leaves the
 * reading to its thread, and returns at once. Since: 0.1
 */
OX_API OX_YIELDS int ox_file_load(const char *path, size_t limit, ox_contents **ret);

/** Takes NULL. Since: 0.1 */
OX_API void ox_contents_free(ox_contents *c);
static inline void ox_contents_auto_(ox_contents **c) { ox_contents_free(*c); }
#define OX_AUTO_CONTENTS __attribute__((cleanup(ox_contents_auto_))) ox_contents

/**
 * Begins a new file that will take the place of path: nobody sees it before ox_file_commit(), and
 * ox_file_close() without that drops it. It is written with the calls above.
 *
 * @mode: its permissions; 0: those of the file that is replaced, or 0666, less the umask. @ret: owned:
 * ox_file_commit() or ox_file_close().
 * Returns: 0; OX_ECANCELED, OX_ENOMEM, -errno. Yields: always. Since: 0.1
 */
OX_API OX_YIELDS int ox_file_replace(const char *path, mode_t mode, ox_file **ret);

/**
 * Puts the new file in its place, and closes it: fsync, rename, fsync of the folder. After a crash of the
 * system, path is the old file or the new one, whole. It is closed whatever this returns.
 *
 * Returns: 0; OX_ESTATE (not from ox_file_replace(), and not closed then); -errno: path is the old file
 * still, or (if the folder's fsync failed) the new one. OX_ECANCELED: the old one. Yields: always. Since: 0.1
 */
OX_API OX_YIELDS int ox_file_commit(ox_file *f);

/** Replaces all of a file: the three calls in one. Returns: 0; as they. Yields: always. Since: 0.1 */
OX_API OX_YIELDS int ox_file_save(const char *path, const void *data, size_t len, mode_t mode);

/* ---- paths ---- */

/** As fstatat(2). @flags: 0, AT_SYMLINK_NOFOLLOW. Returns: 0; OX_ECANCELED, -errno. Yields: always. Since: 0.1 */
OX_API OX_YIELDS int ox_path_stat(const char *path, int flags, struct stat *ret);

/** As rename(2), unlink(2), rmdir(2). Returns: 0; OX_ECANCELED, -errno. Yields: always. Since: 0.1 */
OX_API OX_YIELDS int ox_path_rename(const char *from, const char *to);
OX_API OX_YIELDS int ox_path_unlink(const char *path);
OX_API OX_YIELDS int ox_path_rmdir(const char *path);

/** As mkdir(2). Returns: 0; OX_ECANCELED, -errno. Yields: always. Since: 0.1 */
OX_API OX_YIELDS int ox_path_mkdir(const char *path, mode_t mode);

/** Makes a folder and those above it, where they are not there already. Returns: 0; as above. Since: 0.1 */
OX_API OX_YIELDS int ox_path_mkdirs(const char *path, mode_t mode);

OX_END

#endif
