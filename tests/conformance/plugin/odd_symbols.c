/* What a plugin's file should not have, one thing for each definition. */
#if defined(EXPORTS)
__attribute__((visibility("default"))) int acme_helper(void);
int acme_helper(void) {
  return 1;
}
#elif defined(UNIQUE)
__asm__(".data\n.globl acme_unique\n.type acme_unique, @gnu_unique_object\n.size acme_unique, 4\nacme_unique: .long "
        "1\n.text\n");
#elif defined(UNDEFINED)
/* In no library that the file names; the process that loads it happens to have the first one. */
extern const void* EVP_sha256(void);
extern int acme_nowhere(void) __attribute__((weak));
const void* odd_use(void);
const void* odd_use(void) {
  return acme_nowhere != 0 ? (const void*)0 : EVP_sha256();
}
const void* (*odd_reference)(void) = odd_use;
#else
int odd_nothing;
#endif
