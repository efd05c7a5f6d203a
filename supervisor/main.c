/* The static executable: CPython, and the supervisor's modules frozen into it.
 *
 * Nothing is read from the file system before the program's own start: neither a standard library nor this
 * very file, so that it works in an empty root, without /proc, and from a volume that was unmounted since.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

extern const struct _frozen supervisor_modules[];
/* Of CPython's own, in no header that is installed. */
extern int _PySignal_Init(int install_signal_handlers);
extern int _PyStaticCode_InternStrings(PyCodeObject *code);
extern PyObject *_Py_get_importlib__bootstrap_toplevel(void);
PyObject *spawn(PyObject *module, PyObject *arguments);

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

static PyObject *call_unshare(PyObject *module, PyObject *arguments)
{
    int flags;
    if (!PyArg_ParseTuple(arguments, "i", &flags))
        return NULL;
    if (unshare(flags) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
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
    {"spawn", spawn, METH_VARARGS, "Start the program; the process id."},
    {"unshare", call_unshare, METH_VARARGS, "unshare(flags): leave what is shared with others."},
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

/* Instead of CPython's, which does it for every one of its frozen modules: that touches two hundred pages more, for
 * names of what is never imported. The linker puts it in place. */
int __wrap__Py_Deepfreeze_Init(void)
{
    return _PyStaticCode_InternStrings((PyCodeObject *)_Py_get_importlib__bootstrap_toplevel());
}

static PyStatus initialize(void)
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
    /* No waiting for the kernel's random numbers early in a machine's life; nothing here is hashed for strangers. */
    config.use_hash_seed = 1;
    config.hash_seed = 0;
    /* The second phase brings paths, codecs, streams and `open`, for as much time as the first takes: none is used.
     * https://docs.python.org/3.11/c-api/init_config.html#multi-phase-initialization-private-provisional-api */
    config._init_main = 0;
    status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    /* Of that phase `_signal` needs this. 0: SIGPIPE and SIGXFSZ stay as the launcher left them, for the program. */
    if (!PyStatus_Exception(status) && _PySignal_Init(0) < 0)
        status = PyStatus_NoMemory();
    return status;
}

static int set_arguments(int count, char **arguments)
{
    PyObject *words = PyList_New(count);
    for (int i = 0; words != NULL && i < count; i++) {
        PyObject *word = PyUnicode_DecodeFSDefault(arguments[i]);
        if (word == NULL)
            return -1;
        PyList_SET_ITEM(words, i, word);
    }
    if (words == NULL || PySys_SetObject("argv", words) < 0)
        return -1;
    return count == 0 ? 0 : PySys_SetObject("executable", PyList_GET_ITEM(words, 0));
}

int main(int count, char **arguments)
{
    PyImport_FrozenModules = supervisor_modules;
    if (PyImport_AppendInittab("_supervisor", make_module) < 0)
        return 70;
    PyStatus status = initialize();
    if (PyStatus_Exception(status)) {
        fprintf(stderr, "supervisor: cannot start: %s\n", status.err_msg ? status.err_msg : "?");
        return 70;
    }
    /* Nothing that is made while modules are imported is garbage: not to look for it saves a tenth of the start. */
    PyGC_Disable();
    PyObject *entry = set_arguments(count, arguments) < 0 ? NULL : PyImport_ImportModule("supervisor._entry");
    if (entry != NULL)
        PyObject_CallMethod(entry, "main", NULL);
    /* main() does not return: here something is broken. */
    PyErr_Print();
    return 70;
}
