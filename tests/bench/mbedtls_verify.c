/* SPDX-License-Identifier: MIT
 * Best time of an ECDSA verification by mbedTLS, in milliseconds: mbedtls_verify CURVE REPEATS.
 * Keys and signature are made at run time; the random numbers need not be any good.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ecdsa.h>

#ifndef MBEDTLS_PRIVATE /* before mbedTLS 3 the members had their plain names */
#define MBEDTLS_PRIVATE(member) member
#endif

static int weak_random(void *state, unsigned char *out, size_t length) {
    (void)state;
    for (size_t i = 0; i < length; i++) {
        out[i] = (unsigned char)rand();
    }
    return 0;
}

int main(int count, char **arguments) {
    unsigned char digest[32];
    mbedtls_ecp_group_id id = MBEDTLS_ECP_DP_SECP256R1;
    mbedtls_ecdsa_context key;
    mbedtls_mpi r, s;
    double best = 1e9;

    if (count != 3) {
        return 2;
    }
    if (strcmp(arguments[1], "P-384") == 0) {
        id = MBEDTLS_ECP_DP_SECP384R1;
    }
    memset(digest, 0x5a, sizeof digest);
    mbedtls_ecdsa_init(&key);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    if (mbedtls_ecdsa_genkey(&key, id, weak_random, NULL) != 0
        || mbedtls_ecdsa_sign(&key.MBEDTLS_PRIVATE(grp), &r, &s, &key.MBEDTLS_PRIVATE(d), digest,
                              sizeof digest, weak_random, NULL) != 0) {
        return 1;
    }
    for (int i = atoi(arguments[2]); i > 0; i--) {
        struct timespec start, end;
        double ms;

        clock_gettime(CLOCK_MONOTONIC, &start);
        if (mbedtls_ecdsa_verify(&key.MBEDTLS_PRIVATE(grp), digest, sizeof digest,
                                 &key.MBEDTLS_PRIVATE(Q), &r, &s) != 0) {
            return 1;
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        ms = (end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6;
        best = ms < best ? ms : best;
    }
    printf("%.3f\n", best);
    return 0;
}
