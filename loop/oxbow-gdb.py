# SPDX-License-Identifier: MIT
"""
Oxbow's coroutines in gdb, of a live process and of a core file alike:

	(gdb) source /usr/local/share/oxbow/oxbow-gdb.py
	(gdb) oxbow tasks               the tree of tasks of every loop
	(gdb) oxbow bt 12               the backtrace of task 12; of several; or of all
	(gdb) oxbow frame 12            makes task 12 what up, down, bt, info locals and print are about
	(gdb) oxbow frame               back to the thread

It reads the structs of loop/state.h, so liboxbow's debugging information must be there. Nothing is called and nothing
written in the process: a parked coroutine's registers lie on its stack, and an unwinder of our own gives them to gdb
as the caller of the thread's innermost frame.
"""
import gdb
import gdb.unwinder

# The callee-saved registers in the frame that oxi_switch() leaves on a stack, in words from its low end: switch.c's struct
# frame. The last word but padding is where it goes on; the stack pointer is then behind the frame.
SAVED = {
    "i386:x86-64": {
        "words": {"r15": 0, "r14": 1, "r13": 2, "r12": 3, "rbx": 4, "rbp": 5, "rip": 6},
        "sp": "rsp", "size": 56,
        "ucontext": {"r12": 4, "r13": 5, "r14": 6, "r15": 7, "rbp": 10, "rbx": 11, "rsp": 15, "rip": 16},
    },
    "aarch64": {
        "words": dict([("x%d" % (19 + i), 8 + i) for i in range(12)] + [("pc", 19)]),
        "sp": "sp", "size": 160,
        "ucontext": None,
    },
}


def quiet(value):
    """The text that a char pointer points to; "" for NULL."""
    return value.string(errors="replace") if value else ""


def listed(head):
    """The elements of a struct oxi_list."""
    at = head["next"]
    for _ in range(10000000):
        if at == head.address:
            return
        yield at
        at = at["next"]


def container(link, type_name, member):
    kind = gdb.lookup_type("struct " + type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    return (link.cast(gdb.lookup_type("char").pointer()) - offset).cast(kind.pointer()).dereference()


class Task:
    def __init__(self, loop, value, depth):
        self.loop, self.value, self.depth = loop, value, depth
        self.id, self.name, self.site = int(value["id"]), quiet(value["name"]), quiet(value["site"])
        self.running = value.address in (loop["current"], loop["errand_of"])

    def state(self):
        wait = self.value["wait"]
        if self.running:
            return "running"
        if wait and wait["parked"]:
            return "parked %.3f s: %s" % (int(self.loop["time"] - wait["since"]) / 1e9, self.wait_text(wait))
        return "ending" if self.value["ended"] else "ready"

    def wait_text(self, wait):
        text = quiet(wait["kind"])
        if wait["object"]:
            text += " 0x%x" % int(wait["object"])
        if int(wait["fd"]) >= 0:
            text += " fd %d" % int(wait["fd"])
        if text.startswith("lock "):
            owner = wait["object"].cast(gdb.lookup_type("struct ox_lock").pointer())["owner"]
            text += " held by #%d %s" % (int(owner["id"]), quiet(owner["name"])) if owner else ""
        return text

    def line(self):
        where = "; spawned at " + self.site if self.site else ""
        return "#%d %s: %s%s" % (self.id, self.name, self.state(), where)

    def registers(self):
        """Where it goes on: names of registers and their values, those that a call preserves; None if it runs now."""
        if self.running:
            return None
        saved, context = SAVED[architecture()], self.value["context"]
        word = gdb.lookup_type("unsigned long")
        if any(f.name == "uc" for f in context.type.fields()):
            return self.from_ucontext(saved, context["uc"]["uc_mcontext"], word)
        frame = context["sp"].cast(word.pointer())
        values = {name: frame[i].cast(word) for name, i in saved["words"].items()}
        values[saved["sp"]] = (context["sp"].cast(word) + saved["size"]).cast(word)
        return values

    def from_ucontext(self, saved, machine, word):
        if saved["ucontext"]:
            return {name: machine["gregs"][i].cast(word) for name, i in saved["ucontext"].items()}
        values = {"x%d" % i: machine["regs"][i].cast(word) for i in range(19, 31)}
        values.update(pc=machine["pc"].cast(word), sp=machine["sp"].cast(word))
        return values


def architecture():
    name = gdb.selected_inferior().architecture().name() if hasattr(gdb.Inferior, "architecture") \
        else gdb.selected_frame().architecture().name()
    if name not in SAVED:
        raise gdb.GdbError("oxbow: the registers of %s are not known here" % name)
    return name


def loops():
    try:
        at = gdb.parse_and_eval("oxi_loops")
        at.dereference().type.fields()
    except (gdb.error, gdb.MemoryError):
        raise gdb.GdbError("oxbow: no debugging information of liboxbow")
    while at:
        yield at.dereference()
        at = at["next_loop"]


def scopes(loop):
    """The tree of scopes, parents first, with their depths."""
    if not loop["main_task"]:
        return
    todo = [(loop["main_task"].dereference()["root"], 0)]
    while todo:
        scope, depth = todo.pop()
        yield scope, depth
        children = [container(link, "oxi_scope", "link") for link in listed(scope["children"])]
        todo.extend((child, depth + 1) for child in reversed(children))


def nodes(loop):
    """Lines of the tree, and the tasks in it."""
    for scope, depth in scopes(loop):
        task = scope["task"].dereference()
        if task["root"].address == scope.address:
            found = Task(loop, task, depth)
            yield found.line(), depth, found
        elif scope["group"]:
            group = scope["group"].dereference()
            name = ' "%s"' % quiet(group["name"]) if group["name"] else ""
            yield "group%s: %d pending" % (name, int(group["pending"])), depth, None
        else:
            yield "shield" if scope["shield"] else "scope", depth, None


def tasks():
    return [task for loop in loops() for _, _, task in nodes(loop) if task]


def find(number):
    found = [task for task in tasks() if task.id == number]
    if not found:
        raise gdb.GdbError("oxbow: there is no task %d; oxbow tasks lists them" % number)
    return found


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class ParkedUnwinder(gdb.unwinder.Unwinder):
    """While a task is set: the caller of the thread's innermost frame is where the task goes on."""

    def __init__(self):
        super().__init__("oxbow")
        self.registers = None

    def set(self, registers):
        self.registers = registers
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.registers is None or pending.level() != 0:
            return None
        names = SAVED[pending.architecture().name()]
        pc = "rip" if names["sp"] == "rsp" else "pc"
        info = pending.create_unwind_info(FrameId(pending.read_register(names["sp"]), pending.read_register(pc)))
        for name, value in self.registers.items():
            info.add_saved_register(name, value)
        return info


unwinder = ParkedUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


def thread_of(loop):
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == int(loop["tid"]):
            return thread
    return None


def frame_line(level, frame):
    sal = frame.find_sal()
    place = " at %s:%d" % (sal.symtab.filename, sal.line) if sal.symtab else ""
    library = gdb.solib_name(frame.pc())
    if not place and library:
        place = " from " + library
    return "  #%-2d 0x%x in %s%s" % (level, frame.pc(), frame.name() or "??", place)


def print_frames(frame):
    level = 0
    while frame:
        print(frame_line(level, frame))
        if frame.name() == "oxi_switch_start":
            return
        frame, level = frame.older(), level + 1


def backtrace(task):
    print(task.line())
    registers = task.registers()
    here, before = gdb.selected_thread(), unwinder.registers
    thread = thread_of(task.loop)
    if thread:
        thread.switch()
    try:
        unwinder.set(registers)
        frame = gdb.newest_frame()
        print_frames(frame if registers is None else frame.older())
    finally:
        unwinder.set(before)
        if here:
            here.switch()


class Oxbow(gdb.Command):
    """Oxbow's coroutines: oxbow tasks, oxbow bt TASK...|all, oxbow frame [TASK]."""

    def __init__(self):
        super().__init__("oxbow", gdb.COMMAND_STACK, prefix=True)


class Tasks(gdb.Command):
    """The tree of tasks of every loop, and what each waits for."""

    def __init__(self):
        super().__init__("oxbow tasks", gdb.COMMAND_STACK)

    def invoke(self, text, from_tty):
        for loop in loops():
            alive = int(loop["figures"]["spawned"] - loop["figures"]["ended"])
            print("the loop of thread %d: %d tasks" % (int(loop["tid"]), alive))
            for line, depth, _ in nodes(loop):
                print("  " * depth + line)


class Backtrace(gdb.Command):
    """The backtraces of tasks, by their numbers: oxbow bt 2 3, or oxbow bt all."""

    def __init__(self):
        super().__init__("oxbow bt", gdb.COMMAND_STACK)

    def invoke(self, text, from_tty):
        words = text.split()
        if not words:
            raise gdb.GdbError("oxbow bt needs a task's number, or all")
        for task in tasks() if words == ["all"] else [t for word in words for t in find(number(word))]:
            backtrace(task)


class Frame(gdb.Command):
    """Makes a parked task's frames those of the thread, for up, bt, print...; without a number: no longer."""

    def __init__(self):
        super().__init__("oxbow frame", gdb.COMMAND_STACK)

    def invoke(self, text, from_tty):
        unwinder.set(None)
        if not text.strip():
            return
        task = find(number(text.strip()))[0]
        thread = thread_of(task.loop)
        if thread:
            thread.switch()
        unwinder.set(task.registers())
        print(task.line())
        if unwinder.registers is not None:
            gdb.newest_frame().older().select()


def number(text):
    if not text.lstrip("#").isdigit():
        raise gdb.GdbError("oxbow: %s is no task's number" % text)
    return int(text.lstrip("#"))


Oxbow()
Tasks()
Backtrace()
Frame()
