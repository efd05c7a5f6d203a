/* The static executable: CPython, and the supervisor's modules frozen into it.
 *
 * Nothing is read from the file system before the program's own start: neither a standard library nor this
 * very file, so that it works in an empty root, without /proc, and from a volume that was unmounted since.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

extern const struct _frozen supervisor_modules[];

static sigset_t original_mask;

/* As PID 1 a signal that comes before anybody waits for it is lost. This runs before constructors, and before
 * main: as early as a program can do anything. */
static void block_signals(int count, char **arguments, char **environment)
{
    sigset_t every_signal;
    sigfillset(&every_signal);
    sigprocmask(SIG_BLOCK, &every_signal, &original_mask);
}

__attribute__((section(".preinit_array"), used))
static void (*const first_of_all)(int, char **, char **) = block_signals;

/* After a fork every page is shared with the child, and the first write to each is a fault: about a hundred of them came
 * between a signal and its passing on. So they are taken when the program has just been started. Only pages that are
 * there already: memory hardly grows. */
#define MOST_ARENAS 64
#define MOST_PAGES 256

extern char __data_start[], _end[];
static void *heap;
static struct { char *begin; size_t size; } arenas[MOST_ARENAS];
static PyObjectArenaAllocator system_arenas;

static void *take_arena(void *context, size_t size)
{
    void *begin = system_arenas.alloc(context, size);
    for (int i = 0; begin != NULL && i < MOST_ARENAS; i++) {
        if (arenas[i].size == 0) {
            arenas[i].begin = begin;
            arenas[i].size = size;
            break;
        }
    }
    return begin;
}

static void give_arena(void *context, void *begin, size_t size)
{
    for (int i = 0; i < MOST_ARENAS; i++) {
        if (arenas[i].begin == begin)
            arenas[i].size = 0;
    }
    system_arenas.free(context, begin, size);
}

static void note_memory(void)
{
    heap = sbrk(0);
    PyObject_GetArenaAllocator(&system_arenas);
    PyObjectArenaAllocator noting = {system_arenas.ctx, take_arena, give_arena};
    PyObject_SetArenaAllocator(&noting);
}

static void touch(char *begin, char *end)
{
    unsigned char resident[MOST_PAGES];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    begin = (char *)((size_t)begin & ~(page - 1));
    while (begin < end) {
        size_t count = ((size_t)(end - begin) + page - 1) / page;
        if (count > MOST_PAGES)
            count = MOST_PAGES;
        if (mincore(begin, count * page, resident) != 0)
            return;
        for (size_t i = 0; i < count; i++, begin += page) {
            volatile char *here = begin;
            if (resident[i] & 1)
                *here = *here;
        }
    }
}

static PyObject *own_memory(PyObject *module, PyObject *nothing)
{
    touch(__data_start, _end);
    touch(heap, sbrk(0));
    for (int i = 0; i < MOST_ARENAS; i++)
        touch(arenas[i].begin, arenas[i].begin + arenas[i].size);
    Py_RETURN_NONE;
}

static PyObject *call_prctl(PyObject *module, PyObject *arguments)
{
    int option;
    unsigned long value;
    if (!PyArg_ParseTuple(arguments, "ik", &option, &value))
        return NULL;
    int answer = prctl(option, value, 0UL, 0UL, 0UL);
    if (answer < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromLong(answer);
}

static PyObject *get_original_mask(PyObject *module, PyObject *nothing)
{
    PyObject *numbers = PyList_New(0);
    for (int number = 1; numbers != NULL && number <= 64; number++) {
        if (sigismember(&original_mask, number) != 1)
            continue;
        PyObject *item = PyLong_FromLong(number);
        if (item == NULL || PyList_Append(numbers, item) < 0)
            Py_CLEAR(numbers);
        Py_XDECREF(item);
    }
    return numbers;
}

static PyMethodDef functions[] = {
    {"prctl", call_prctl, METH_VARARGS, "prctl(option, value): the number that the kernel answers."},
    {"own_memory", own_memory, METH_NOARGS, "Make the pages ours that a fork left shared with the child."},
    {"original_mask", get_original_mask, METH_NOARGS, "The signals that were blocked when this process began."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_supervisor", .m_size = -1, .m_methods = functions,
};

static PyObject *make_module(void)
{
    return PyModule_Create(&definition);
}

static PyStatus initialize(int count, char **arguments)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    /* Words and names are bytes: UTF-8 with surrogates keeps them whole, in any locale or none. */
    before.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return status;

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.pathconfig_warnings = 0;
    config.module_search_paths_set = 1;
    /* SIGPIPE and SIGXFSZ stay as the launcher left them: the program inherits them. */
    config.install_signal_handlers = 0;
    /* No waiting for the kernel's random numbers early in a machine's life; nothing here is hashed for strangers. */
    config.use_hash_seed = 1;
    config.hash_seed = 0;
    config.parse_argv = 0;
    status = PyConfig_SetBytesArgv(&config, count, arguments);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(&config, &config.program_name, arguments[0]);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(&config, &config.executable, arguments[0]);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(&config, &config.home, "/");
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return status;
}

int main(int count, char **arguments)
{
    note_memory();
    PyImport_FrozenModules = supervisor_modules;
    if (PyImport_AppendInittab("_supervisor", make_module) < 0)
        return 70;
    PyStatus status = initialize(count, arguments);
    if (PyStatus_Exception(status)) {
        fprintf(stderr, "supervisor: cannot start: %s\n", status.err_msg ? status.err_msg : "?");
        return 70;
    }
    /* Nothing that is made while modules are imported is garbage: not to look for it saves a tenth of the start. */
    PyGC_Disable();
    PyObject *entry = PyImport_ImportModule("supervisor._entry");
    if (entry != NULL)
        PyObject_CallMethod(entry, "main", NULL);
    /* main() does not return: here something is broken. */
    PyErr_Print();
    return 70;
}
