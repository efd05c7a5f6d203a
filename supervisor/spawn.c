/* The program's start, without a copy of ourselves.
 *
 * fork(2) shares every page with the child, and our first write to each is a fault: some seven hundred of them came
 * between the start and the first signal that was passed on. vfork(2) lends our memory to the child until it
 * executes the program: nothing is copied, and we go on when it runs. In return the child does nothing but what is
 * below, in C and on its own stack frame, and with every signal blocked.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct launch {
    char **candidates; /* Where the program may be, in the order of PATH. */
    char **words;
    char **variables;
    sigset_t mask;
    int directory;
    int is_foreground;
    int dies_with_us;
    pid_t us;
};

/* Returns only if nothing was executed. */
static void become(const struct launch *launch)
{
    if (setpgid(0, 0) != 0)
        return;
    /* The foreground is a matter of the terminal, if there is one, and if it is ours to give. */
    if (launch->is_foreground && isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) >= 0)
        tcsetpgrp(STDIN_FILENO, getpid());
    /* It may have died before we asked to be told. */
    if (launch->dies_with_us && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != launch->us)
        return;
    if (fchdir(launch->directory) != 0)
        return;
    /* Dispositions first, then the mask: a signal that is already pending must meet the default. Python's module
     * has a handler for SIGINT and for no other, and only where the launcher did not ignore it. */
    struct sigaction interrupt;
    if (sigaction(SIGINT, NULL, &interrupt) == 0 && interrupt.sa_handler != SIG_IGN)
        signal(SIGINT, SIG_DFL);
    sigprocmask(SIG_SETMASK, &launch->mask, NULL);
    for (char **candidate = launch->candidates; *candidate != NULL; candidate++) {
        execve(*candidate, launch->words, launch->variables);
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            return;
    }
}

/* The texts stay the list's. NULL with an exception. */
static char **texts(PyObject *list)
{
    Py_ssize_t count = PyList_GET_SIZE(list);
    char **array = PyMem_Calloc((size_t)(count + 1), sizeof(char *));
    if (array == NULL)
        return (char **)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        /* Without a size, so that a NUL byte in the middle is an error. */
        if (PyBytes_AsStringAndSize(PyList_GET_ITEM(list, i), &array[i], NULL) < 0) {
            PyMem_Free(array);
            return NULL;
        }
    }
    return array;
}

static int read_mask(PyObject *numbers, sigset_t *mask)
{
    sigemptyset(mask);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(numbers); i++) {
        long number = PyLong_AsLong(PyList_GET_ITEM(numbers, i));
        if (number == -1 && PyErr_Occurred())
            return -1;
        sigaddset(mask, (int)number);
    }
    return 0;
}

/* The process id; 0 if it could not be executed, which is for the caller to try again and to explain. */
PyObject *spawn(PyObject *module, PyObject *arguments)
{
    PyObject *candidates, *words, *variables, *mask;
    struct launch launch = {.us = getpid()};
    if (!PyArg_ParseTuple(arguments, "O!O!O!O!ipp", &PyList_Type, &candidates, &PyList_Type, &words,
                          &PyList_Type, &variables, &PyList_Type, &mask, &launch.directory,
                          &launch.is_foreground, &launch.dies_with_us)
        || read_mask(mask, &launch.mask) < 0)
        return NULL;
    volatile int failed = 0;
    pid_t pid = -1;
    if ((launch.candidates = texts(candidates)) != NULL && (launch.words = texts(words)) != NULL
        && (launch.variables = texts(variables)) != NULL) {
        pid = vfork();
        if (pid == 0) {
            become(&launch);
            failed = 1;
            _exit(1);
        }
        if (pid < 0)
            PyErr_SetFromErrno(PyExc_OSError);
        else if (failed)
            waitpid(pid, NULL, 0);
    }
    PyMem_Free(launch.candidates);
    PyMem_Free(launch.words);
    PyMem_Free(launch.variables);
    return pid < 0 ? NULL : PyLong_FromLong(failed ? 0 : pid);
}
