/* Linked into the static programs. They look names up in /etc/hosts and with DNS, which the static C
 * library contains. Other sources that /etc/nsswitch.conf may name are shared libraries that only fit
 * the same version of the C library. */
extern int __nss_configure_lookup(const char *database, const char *sources);

__attribute__((constructor)) static void configure_lookup(void) {
    (void)__nss_configure_lookup("hosts", "files dns");
}
