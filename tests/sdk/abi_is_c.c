#include <calbridge/abi.h>

_Static_assert(__STDC_VERSION__ >= 201112L, "this is compiled as C11");
