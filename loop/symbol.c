/* SPDX-License-Identifier: MIT */
/*
 * Names for addresses of code, found without memory: in a signal handler too. The dynamic linker knows which
 * file an address belongs to; what it calls functions are exported names only, and a coroutine is nearly
 * always a static function. So the file's own symbol table is read, if it was not stripped: the file is
 * mapped, the table searched from end to end, and a few files stay mapped while one report is made.
 *
 * The file comes from outside (it may have been replaced since): each offset in it is checked.
 *
 * dladdr() takes the dynamic linker's lock. It is one that a thread may take again, so a handler that
 * interrupts the linker is not stuck.
 */
#include "loop/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4095u

/* The main program's name is what it was started by, which need not be a path. */
static const char *path_of(const Dl_info *info)
{
	bool main_program = (const char *)(getauxval(AT_PHDR) & ~(unsigned long)PAGE) == info->dli_fbase;

	return main_program ? "/proc/self/exe" : info->dli_fname;
}

static void map_file(struct oxi_module *m, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map = MAP_FAILED;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(ElfW(Ehdr)))
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return;
	m->map = map;
	m->size = (size_t)st.st_size;
}

static void unmap(struct oxi_module *m)
{
	if (m->map)
		munmap((void *)(uintptr_t)m->map, m->size);
	*m = (struct oxi_module){ .base = NULL };
}

static const struct oxi_module *module_of(struct oxi_symbols *s, const Dl_info *info)
{
	struct oxi_module *m;

	for (unsigned i = 0; i < OXI_MODULES; i++)
		if (s->modules[i].base == info->dli_fbase)
			return &s->modules[i];
	m = &s->modules[s->next++ % OXI_MODULES];
	unmap(m);
	m->base = info->dli_fbase;
	map_file(m, path_of(info));
	return m;
}

/* n things of size bytes at an offset of the file; NULL if they do not lie in it. */
static const void *part(const struct oxi_module *m, uint64_t offset, uint64_t n, size_t size)
{
	if (m->map == NULL || offset > m->size || n > (m->size - offset) / size)
		return NULL;
	return m->map + offset;
}

static const ElfW(Ehdr) *header(const struct oxi_module *m)
{
	const ElfW(Ehdr) *h = part(m, 0, 1, sizeof(*h));
	const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

	return h && memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && h->e_ident[EI_CLASS] == class ? h : NULL;
}

/* The name of the function that address, as the file counts, lies in; NULL. */
static const char *search(const struct oxi_module *m, const ElfW(Shdr) *table, const ElfW(Shdr) *strings,
                          uintptr_t address, size_t *ret_offset)
{
	size_t n = table->sh_size / sizeof(ElfW(Sym));
	const ElfW(Sym) *sym = part(m, table->sh_offset, n, sizeof(*sym));
	const char *names = part(m, strings->sh_offset, strings->sh_size, 1);

	if (sym == NULL || names == NULL || strings->sh_size == 0 || names[strings->sh_size - 1] != '\0')
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (ELF64_ST_TYPE(sym[i].st_info) != STT_FUNC || sym[i].st_name >= strings->sh_size)
			continue;
		if (address - sym[i].st_value < sym[i].st_size) {
			*ret_offset = address - sym[i].st_value;
			return names + sym[i].st_name;
		}
	}
	return NULL;
}

static const char *function_at(const struct oxi_module *m, uintptr_t address, size_t *ret_offset)
{
	const ElfW(Ehdr) *h = header(m);
	const ElfW(Shdr) *sections = h ? part(m, h->e_shoff, h->e_shnum, sizeof(*sections)) : NULL;

	for (unsigned i = 0; sections && i < h->e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < h->e_shnum)
			return search(m, &sections[i], &sections[sections[i].sh_link], address, ret_offset);
	return NULL;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void oxi_symbol_find(struct oxi_symbols *s, const char *pc, struct oxi_symbol *ret)
{
	const struct oxi_module *m;
	const ElfW(Ehdr) *h;
	Dl_info info;

	*ret = (struct oxi_symbol){ .function = NULL };
	if (dladdr(pc, &info) == 0 || info.dli_fname == NULL)
		return;
	m = module_of(s, &info);
	h = header(m);
	ret->module = file_name(info.dli_fname);
	ret->module_offset = (size_t)(h && h->e_type == ET_EXEC ? (uintptr_t)pc : (uintptr_t)(pc - m->base));
	ret->function = function_at(m, ret->module_offset, &ret->offset);
	if (ret->function == NULL && info.dli_sname) {
		ret->function = info.dli_sname;
		ret->offset = (size_t)(pc - (const char *)info.dli_saddr);
	}
}

void oxi_symbols_close(struct oxi_symbols *s)
{
	for (unsigned i = 0; i < OXI_MODULES; i++)
		unmap(&s->modules[i]);
}
