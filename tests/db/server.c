/* SPDX-License-Identifier: MIT */
#include "tests/db/server.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char server_folder[64];
unsigned server_port;
static char programs[200];              /* the folder of PostgreSQL's */
static int keeper = -1;                 /* a socket to the process that keeps the server */

/* ---- in the keeper ---- */

static pid_t server;

static void or_die(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(1);
}

static void file(const char *name, const char *mode, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", server_folder, name);
	f = fopen(path, mode);
	or_die(f && fputs(text, f) >= 0 && fclose(f) == 0, path);
}

static pid_t start(const char *const *argv)
{
	char path[256], log[128];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(path, sizeof(path), "%s%s%s", *argv[0] == '/' ? "" : programs, *argv[0] == '/' ? "" : "/", argv[0]);
	snprintf(log, sizeof(log), "%s/log", server_folder);
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
	dup2(open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), 1);
	dup2(1, 2);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* A certificate of its own, for localhost; without openssl(1) there is no TLS. */
static void make_certificate(void)
{
	char key[96], certificate[96];
	int status = -1;

	snprintf(key, sizeof(key), "%s/data/server.key", server_folder);
	snprintf(certificate, sizeof(certificate), "%s/data/server.crt", server_folder);
	waitpid(start((const char *[]){ "/usr/bin/openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-newkey",
	                                "rsa:2048", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate, NULL }),
	        &status, 0);
	if (status == 0)
		file("data/postgresql.conf", "a", "ssl = on\n");
}

static void make_cluster(void)
{
	char data[96], password[96];
	int status = -1;

	snprintf(data, sizeof(data), "%s/data", server_folder);
	snprintf(password, sizeof(password), "--pwfile=%s/password", server_folder);
	file("password", "w", "secret\n");
	waitpid(start((const char *[]){ "initdb", "-D", data, "-U", "ox", "-E", "UTF8", "--locale=C", "-A",
	                                "trust", "--no-sync", "--no-instructions", password, NULL }),
	        &status, 0);
	or_die(status == 0, "initdb");
	file("data/postgresql.conf", "a",
	     "fsync = off\nfull_page_writes = off\nshared_buffers = 16MB\nmax_connections = "
	     "24\nmax_wal_senders = 0\n"
	     "wal_level = minimal\ndeadlock_timeout = 100ms\nlisten_addresses = '127.0.0.1'\nautovacuum = "
	     "off\n");
	make_certificate();
	file("data/pg_hba.conf", "w", "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
}

static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	or_die(bind(fd, (struct sockaddr *)&a, len) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0,
	       "bind");
	close(fd);
	return ntohs(a.sin_port);
}

static bool run_server(void)
{
	char data[96], port[16];

	snprintf(data, sizeof(data), "%s/data", server_folder);
	snprintf(port, sizeof(port), "%u", server_port);
	server = start((const char *[]){ "postgres", "-D", data, "-k", server_folder, "-p", port, NULL });
	for (int i = 0; i < 3000 && waitpid(server, NULL, WNOHANG) == 0; i++) {
		if (PQping(server_conninfo()) == PQPING_OK)
			return true;
		usleep(10000);
	}
	return false;
}

/* The server's children, which end when it has died, are adopted and waited for too. */
static void end_server(int signal)
{
	kill(server, signal);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void keep(int fd)
{
	char command;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	make_cluster();
	for (int i = 0; i < 5; i++) {           /* somebody may take the port in between */
		server_port = free_port();
		if (run_server())
			break;
		or_die(i < 4, "postgres");
	}
	or_die(write(fd, &server_port, sizeof(server_port)) == sizeof(server_port), "write");
	while (read(fd, &command, 1) == 1) {
		if (command == 'k')
			end_server(SIGKILL);
		else if (command == 'r')
			end_server(SIGINT);
		or_die(command == 'k' || run_server(), "postgres again");
		or_die(write(fd, &command, 1) == 1, "write");
	}
	end_server(SIGQUIT);
	nftw(server_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

/* ---- in the test ---- */

/* An ordinary user: PostgreSQL refuses to run as root. */
static const struct passwd *ordinary_user(void)
{
	const struct passwd *pw = getpwnam("postgres");

	return pw ? pw : getpwnam("nobody");
}

static bool find_programs(void)
{
	glob_t g;
	bool found = glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &g) == 0;

	if (found)
		snprintf(programs, sizeof(programs), "%.*s",
		         (int)(strrchr(g.gl_pathv[g.gl_pathc - 1], '/') - g.gl_pathv[g.gl_pathc - 1]),
		         g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	return found;
}

static void become(const struct passwd *pw)
{
	or_die(setgroups(0, NULL) == 0 && setgid(pw->pw_gid) == 0 && setuid(pw->pw_uid) == 0, "setuid");
}

bool server_start(void)
{
	const struct passwd *pw = geteuid() == 0 ? ordinary_user() : NULL;
	int fds[2];
	pid_t pid;

	if (!find_programs() || (geteuid() == 0 && !pw)) {
		printf("SKIP: no PostgreSQL server is installed, or no ordinary user to run it\n");
		return false;
	}
	strcpy(server_folder, "/tmp/oxbow-pg-XXXXXX");
	or_die(mkdtemp(server_folder) != NULL, "mkdtemp");
	or_die(!pw || chown(server_folder, pw->pw_uid, pw->pw_gid) == 0, "chown");
	or_die(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "socketpair");
	unsetenv("PGHOST");
	unsetenv("PGSERVICE");
	setenv("PGPASSFILE", "/nowhere", 1);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (fork() != 0)
			_exit(0);
		setsid();
		close(fds[0]);
		dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 0);
		dup2(0, 1);
		if (pw)
			become(pw);
		keep(fds[1]);
	}
	close(fds[1]);
	waitpid(pid, NULL, 0);
	keeper = fds[0];
	or_die(read(keeper, &server_port, sizeof(server_port)) == sizeof(server_port),
	       "the server did not start");
	return true;
}

void server_stop(void)
{
	char end;

	shutdown(keeper, SHUT_WR);
	while (read(keeper, &end, 1) > 0)
		;
	close(keeper);
}

static void command(char c)
{
	char done;

	or_die(write(keeper, &c, 1) == 1 && read(keeper, &done, 1) == 1, "the server's keeper");
}

void server_kill(void)
{
	command('k');
}

void server_revive(void)
{
	command('s');
}

void server_restart(void)
{
	command('r');
}

const char *server_conninfo(void)
{
	static char text[256];

	snprintf(text, sizeof(text), "host=%s port=%u user=ox dbname=postgres", server_folder, server_port);
	return text;
}

const char *server_conninfo_tcp(void)
{
	static char text[256];

	snprintf(text, sizeof(text), "host=127.0.0.1 port=%u user=ox dbname=postgres password=secret",
	         server_port);
	return text;
}

const char *psql(const char *sql)
{
	static char out[65536];
	char command[512];
	size_t len;
	FILE *f;

	snprintf(command, sizeof(command), "%s/psql -XqAt -v ON_ERROR_STOP=1 '%s' -c \"$SQL\" 2>&1", programs,
	         server_conninfo());
	setenv("SQL", sql, 1);
	f = popen(command, "re");
	len = fread(out, 1, sizeof(out) - 1, f);
	out[len] = '\0';
	EXPECT_EQ(pclose(f), 0);
	if (len > 0 && out[len - 1] == '\n')
		out[len - 1] = '\0';
	return out;
}

bool server_forgot(int pid)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "select count(*) from pg_stat_activity where pid = %d", pid);
	for (int i = 0; i < 100; i++) {
		if (strcmp(psql(sql), "0") == 0)
			return true;
		ox_sleep(OX_MS(50));
	}
	return false;
}

ox_pg *open_db(void)
{
	ox_pg *db = NULL;

	EXPECT_EQ(ox_pg_connect(server_conninfo(), NULL, &db), 0);
	return db;
}

long long one_int(ox_pg *db, const char *sql)
{
	OX_AUTO_PG_RESULT *res = NULL;
	int r = ox_pg_query(db, sql, NULL, 0, &res);

	EXPECT_EQ(r, 0);
	return r == 0 ? ox_pg_int(res, 0, 0) : r;
}

int run_with_server(Suite *(*make)(void))
{
	int status;

	if (!server_start())
		return 77;
	status = run_suite(make());
	server_stop();
	return status;
}
