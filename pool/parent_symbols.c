/* SPDX-License-Identifier: MIT */
/*
 * Names of functions, also static ones: the dynamic linker knows only what an object exports, the symbol table in its file
 * knows all that strip has left. The file is mapped for one question and checked as a stranger's would be (the formats:
 * System V ABI, "Object Files"; elf(5)). It is our own machine's, or it would not be loaded: ElfW() fits.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/private/auto.h"
#include "pool/parent.h"

struct image {
	const uint8_t *data;
	size_t len;
};

/* n things of a size at an offset; NULL: they are not all there. */
static const void *part(const struct image *f, uint64_t offset, uint64_t n, size_t size)
{
	if (offset > f->len || n > (f->len - offset) / size)
		return NULL;
	return f->data + offset;
}

static char *copy_name(const struct image *f, const ElfW(Shdr) *strings, uint64_t at)
{
	const char *table = part(f, strings->sh_offset, strings->sh_size, 1);

	if (table == NULL || at >= strings->sh_size)
		return NULL;
	size_t len = strnlen(table + at, strings->sh_size - at);
	char *name = len > 0 ? oxi_alloc(len + 1) : NULL;
	return name != NULL ? memcpy(name, table + at, len) : NULL;
}

/* The function in one table of symbols that covers an address of the object. */
static char *search(const struct image *f, const ElfW(Shdr) *table, const ElfW(Shdr) *strings, ElfW(Addr) at,
                    size_t *ret_offset)
{
	size_t n = table->sh_entsize == sizeof(ElfW(Sym)) ? table->sh_size / sizeof(ElfW(Sym)) : 0;
	const ElfW(Sym) *symbols = part(f, table->sh_offset, n, sizeof *symbols);

	for (size_t i = 0; symbols != NULL && i < n; i++) {
		const ElfW(Sym) *s = &symbols[i];
		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_shndx == SHN_UNDEF || at < s->st_value ||
		    at - s->st_value >= s->st_size)
			continue;
		*ret_offset = (size_t)(at - s->st_value);
		return copy_name(f, strings, s->st_name);
	}
	return NULL;
}

static char *search_all(const struct image *f, ElfW(Addr) at, size_t *ret_offset)
{
	const ElfW(Ehdr) *h = part(f, 0, 1, sizeof *h);

	if (h == NULL || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_shentsize != sizeof(ElfW(Shdr)))
		return NULL;
	const ElfW(Shdr) *sections = part(f, h->e_shoff, h->e_shnum, sizeof *sections);
	for (unsigned i = 0; sections != NULL && i < h->e_shnum; i++) {
		const ElfW(Shdr) *table = &sections[i];
		if ((table->sh_type != SHT_SYMTAB && table->sh_type != SHT_DYNSYM) || table->sh_link >= h->e_shnum)
			continue;
		char *name = search(f, table, &sections[table->sh_link], at, ret_offset);
		if (name != NULL)
			return name;
	}
	return NULL;
}

char *oxi_symbol_name(const void *code, size_t *ret_offset)
{
	struct link_map *object = NULL;
	Dl_info info;
	struct stat st;

	if (dladdr1(code, &info, (void **)&object, RTLD_DL_LINKMAP) == 0 || object == NULL)
		return NULL;
	const char *path = object->l_name[0] != '\0' ? object->l_name : "/proc/self/exe";
	OXI_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
		return NULL;
	struct image f = { .len = (size_t)st.st_size };
	void *data = mmap(NULL, f.len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return NULL;            /* the vdso has no file */
	f.data = data;
	char *name = search_all(&f, (ElfW(Addr))(uintptr_t)code - object->l_addr, ret_offset);
	munmap(data, f.len);
	return name;
}
