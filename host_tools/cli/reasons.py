# SPDX-License-Identifier: MIT
"""The sentence behind every refusal code of the device package.

A device speaks in codes, because prose drifts and costs flash; a person reads this table. Each
row is (what happened, what to do). A test holds it complete: every code in firmware/trustanchor
has a row and every row is a code in use.
"""

# Sorted by area, then by code.
REASONS: dict[str, tuple[str, str]] = {
    "agent.io": (
        "The agent could not read a file or a socket; the detail is the error number.",
        "Look at the path or the address of the carrier; the next round tries again.",
    ),
    "agent.publish": (
        "The status document could not be delivered.",
        "Look at the function given as publish; the update itself has not suffered.",
    ),
    "agent.status": (
        "A carrier of bundles answered with another HTTP status than 200; the detail is it.",
        "Check the URL; 404 until the first bundle is there, 403 behind a portal or a proxy.",
    ),
    "anchor.critical": (
        "The anchor's certificate has a critical extension that is not understood.",
        "Use another certificate of this key, or leave the anchor out.",
    ),
    "anchor.distrust_open": (
        "The anchor has distrust_leaf_after without a trust_until at most 400 days later.",
        "Set trust_until: a dishonest CA can backdate certificates, so distrust must end trust.",
    ),
    "anchor.distrusted": (
        "The certificate was issued after its anchor was distrusted for new certificates.",
        "Have the server certified by another CA of the trust state.",
    ),
    "anchor.expired": (
        "The anchor's trust_until has passed.",
        "Have the server certified by another CA, or install a state that trusts this one on.",
    ),
    "anchor.host": (
        "The anchor that signed this chain may not speak for this host.",
        "Check the anchor's hosts in the trust state; if they are right, the CA has overstepped.",
    ),
    "anchor.key_usage": (
        "The anchor's certificate may not sign certificates (keyUsage).",
        "Use the CA's certificate, not one it has issued.",
    ),
    "anchor.not_ca": (
        "The anchor's certificate is not a CA certificate.",
        "Use the CA's certificate; pin an end entity's key instead of anchoring it.",
    ),
    "anchor.not_yet_valid": (
        "The anchor's trust_from has not come.",
        "Check the device's clock; if it is right, the server has switched too early.",
    ),
    "anchor.pem": (
        "What was given as an anchor holds no certificate that can be read, or one that cannot.",
        "Give DER bytes, PEM text, or a file with either; the detail is the number of the block.",
    ),
    "anchor.purpose": (
        "The anchor that signed this chain is not trusted for this purpose.",
        "Check the anchor's purposes in the trust state.",
    ),
    "anchor.purposes": (
        "An anchor is trusted for no purpose, or its own certificate rules out the one given.",
        "Name server_auth or client_auth, as its certificate allows.",
    ),
    "anchor.window": (
        "The anchor's trust_from lies after its trust_until.",
        "Correct the dates.",
    ),
    "bundle.anchor": (
        "An anchor of the bundle cannot be read.",
        "Build the bundle again from the anchor's certificate.",
    ),
    "bundle.anchor_repeated": (
        "The bundle has the same anchor (name and key) twice.",
        "Remove one.",
    ),
    "bundle.authority": (
        "The bundle's record of signers has the wrong shape.",
        "Build the bundle again with this version of the tools.",
    ),
    "bundle.changed": (
        "The bundle changed between its check and its use.",
        "The flash is worn or tampered with: fetch the bundle again.",
    ),
    "bundle.denied": (
        "The bundle's deny list is not a sorted list of different 32-byte hashes.",
        "Build the bundle again.",
    ),
    "bundle.file": (
        "The file is not a bundle, or it was cut short.",
        "Fetch the file again; if it stays so, ask whoever publishes it.",
    ),
    "bundle.intermediate": (
        "A preloaded intermediate of the bundle cannot be read.",
        "Build the bundle again without it, or with another certificate of that key.",
    ),
    "bundle.key": (
        "A signer's public key in the bundle cannot be read.",
        "Build the bundle again from the signer's public key.",
    ),
    "bundle.key_repeated": (
        "One signer's key is named twice, in one authority or in both.",
        "Name each key once: one key must not count as two.",
    ),
    "bundle.kid_collision": (
        "Two signers' keys have the same 8-byte identifier.",
        "Make a new key for one of them.",
    ),
    "bundle.missing_field": (
        "The bundle lacks a field that every bundle has.",
        "Build the bundle again with this version of the tools.",
    ),
    "bundle.probe": (
        "The bundle's probes name a service or host that it does not define.",
        "Correct the probes in the bundle's description.",
    ),
    "bundle.probe_missing": (
        "An enforced service has no probe, and the bundle is not marked partial.",
        "Name a probe for it, or mark the bundle partial.",
    ),
    "bundle.threshold": (
        "A group of signers has a threshold of none, or of more keys than it has.",
        "Correct the threshold.",
    ),
    "bundle.too_large": (
        "The bundle, or a message in it, is larger than a device takes.",
        "Leave out anchors or intermediates.",
    ),
    "bundle.too_many_links": (
        "The bundle carries more signer changes than a device walks.",
        "Send the device an older bundle first.",
    ),
    "bundle.unknown_field": (
        "The bundle has a field this version must understand and does not.",
        "Update the device package first.",
    ),
    "bundle.version": (
        "The bundle is of a format this version does not read.",
        "Update the device package first.",
    ),
    "cbor.depth": (
        "The CBOR is nested deeper than any bundle.",
        "Treat the file as hostile or damaged.",
    ),
    "cbor.duplicate": (
        "A CBOR map has the same key twice.",
        "Treat the file as hostile or damaged.",
    ),
    "cbor.indefinite": (
        "The CBOR has an item of indefinite length, which deterministic encoding forbids.",
        "Encode it with this version's tools.",
    ),
    "cbor.key": (
        "A CBOR map has a key outside 0 to 23.",
        "Encode it with this version's tools.",
    ),
    "cbor.length": (
        "A CBOR number or length is not in its shortest form.",
        "Encode it with this version's tools.",
    ),
    "cbor.order": (
        "The keys of a CBOR map are not sorted.",
        "Encode it with this version's tools.",
    ),
    "cbor.range": (
        "A CBOR number is outside the range of its field.",
        "Correct the value, or treat the file as hostile.",
    ),
    "cbor.simple": (
        "The CBOR has a float or another simple value that bundles never use.",
        "Treat the file as hostile or damaged.",
    ),
    "cbor.tag": (
        "The CBOR has another tag than the one that belongs here.",
        "Check that the file is a bundle.",
    ),
    "cbor.text": (
        "CBOR text is not UTF-8, or is longer than its field.",
        "Correct the text.",
    ),
    "cbor.trailing": (
        "Bytes follow the end of the CBOR.",
        "Treat the file as hostile or damaged.",
    ),
    "cbor.truncated": (
        "The CBOR ends in the middle of an item.",
        "Fetch the file again.",
    ),
    "cbor.type": (
        "The CBOR has an item of another type than the one that belongs here.",
        "Check that the file is a bundle.",
    ),
    "cert.algorithm_mismatch": (
        "A certificate names one signature algorithm inside and another outside its signature.",
        "The certificate was tampered with or is broken: have it issued again.",
    ),
    "cert.constraints_without_ca": (
        "A certificate that is no CA carries name constraints.",
        "Have it issued again without them.",
    ),
    "cert.criticality": (
        "An extension is not critical where RFC 5280 demands it; the detail is its 2.5.29 number.",
        "Have the certificate issued again by software that follows RFC 5280.",
    ),
    "cert.duplicate_extension": (
        "A certificate carries the same extension twice.",
        "Have it issued again; readers disagree about which of the two counts.",
    ),
    "cert.eku": (
        "The list of extended key usages is empty or longer than any honest one.",
        "Have the certificate issued again with serverAuth, or without the extension.",
    ),
    "cert.empty_issuer": (
        "A certificate has no issuer name.",
        "Have it issued again by a CA that has a name.",
    ),
    "cert.empty_subject": (
        "A CA certificate has no subject name.",
        "Have it issued again with a name.",
    ),
    "cert.key_usage": (
        "The key usage extension allows nothing.",
        "Have the certificate issued again with at least one usage.",
    ),
    "cert.name": (
        "A distinguished name has an empty set of attributes or a value above 512 bytes.",
        "Have the certificate issued again.",
    ),
    "cert.name_constraints": (
        "Name constraints are empty or malformed; the detail is the tag of the name form.",
        "Write hosts without a leading period and addresses as a network with its prefix mask.",
    ),
    "cert.san": (
        "The subjectAltName is empty or has a malformed entry.",
        "Have the certificate issued again; an iPAddress entry is 4 or 16 bytes.",
    ),
    "cert.serial": (
        "The serial number is negative or longer than 20 bytes.",
        "Have the certificate issued again.",
    ),
    "cert.time": (
        "A date of the certificate is malformed, or before 1950.",
        "Dates need seconds, no fraction, and Z: have the certificate issued again.",
    ),
    "cert.too_large": (
        "A certificate is larger than a device accepts (8,192 bytes).",
        "Use a certificate with fewer names or a smaller key.",
    ),
    "cert.too_many_attributes": (
        "A distinguished name has more than 32 attributes.",
        "Use a certificate with a shorter name.",
    ),
    "cert.too_many_extensions": (
        "A certificate has more than 32 extensions.",
        "Use a certificate with fewer extensions.",
    ),
    "cert.too_many_names": (
        "The subjectAltName has more than 300 names.",
        "Use a certificate with fewer names.",
    ),
    "cert.version": (
        "The certificate's version is none of 1, 2 and 3, or version 1 is written out.",
        "Have the certificate issued again.",
    ),
    "constraints.excluded": (
        "A CA's name constraints exclude a name of the certificate below it.",
        "Use a certificate from a CA that may issue for this name.",
    ),
    "constraints.not_a_host": (
        "A dNSName that no host can have stands below a CA with constraints on hosts.",
        "Have the certificate issued again without that name.",
    ),
    "constraints.not_permitted": (
        "A CA's name constraints do not permit a name of the certificate below it.",
        "Use a certificate from a CA that may issue for this name.",
    ),
    "constraints.too_many_comparisons": (
        "The certificates have more names and constraints than a device compares.",
        "Use a certificate with fewer names or a CA with fewer constraints.",
    ),
    "constraints.unsupported": (
        "A CA constrains a form of name that the device cannot compare (email, URI, other).",
        "Use a certificate without names of that form.",
    ),
    "cose.algorithm": (
        "A signature names another algorithm than its key.",
        "Treat the bundle as hostile.",
    ),
    "cose.content_type": (
        "The signed message is of another type than the one that belongs here.",
        "Treat the bundle as hostile or wrongly assembled.",
    ),
    "cose.header": (
        "A protected header has something missing, something more or something wrong.",
        "Sign it with this version's tools.",
    ),
    "cose.shape": (
        "The message is not a COSE_Sign as SPEC.md describes it.",
        "Check that the file is a bundle.",
    ),
    "cose.signature_foreign": (
        "A signature is by a key that is not one of the authority's.",
        "Remove the signature, or treat the bundle as hostile.",
    ),
    "cose.signature_invalid": (
        "A signature is not valid for this message and key.",
        "Sign it again; if it was valid once, treat the bundle as hostile.",
    ),
    "cose.signature_repeated": (
        "One key has signed twice.",
        "Remove one signature: one key must not count as two.",
    ),
    "cose.unprotected": (
        "An unprotected header is not empty.",
        "Sign it with this version's tools.",
    ),
    "der.bit_string": (
        "A BIT STRING is not encoded as DER demands.",
        "The bytes are damaged or made by broken software: obtain them again.",
    ),
    "der.boolean": (
        "A BOOLEAN is neither 00 nor FF.",
        "The bytes are damaged or made by broken software: obtain them again.",
    ),
    "der.integer": (
        "An INTEGER is not in its shortest form, or negative where it may not be.",
        "The bytes are damaged or made by broken software: obtain them again.",
    ),
    "der.length": (
        "A length is not in its shortest form, indefinite, or above 65,535.",
        "The bytes are BER or damaged: convert them to DER.",
    ),
    "der.oid": (
        "An OBJECT IDENTIFIER is malformed.",
        "The bytes are damaged or made by broken software: obtain them again.",
    ),
    "der.tag": (
        "Another element stands where one was expected.",
        "The bytes are of another kind (a key, a CSR, PEM?) or damaged: obtain them again.",
    ),
    "der.trailing": (
        "Bytes follow the last element.",
        "Pass exactly one DER structure, without anything behind it.",
    ),
    "der.truncated": (
        "The bytes end before the element does.",
        "The file or message is incomplete: obtain it again.",
    ),
    "http.closed": (
        "The answer was closed before all of it was read.",
        "Read an answer before its connection is closed, and ask again after a refusal.",
    ),
    "http.json": (
        "The answer's body is not JSON.",
        "Look at the answer's status and content-type; perhaps it is a page for people.",
    ),
    "http.malformed": (
        "The answer breaks HTTP's format; the detail says where.",
        "Check that the port speaks HTTP/1.1 and what stands between it and the server.",
    ),
    "http.no_length": (
        "The answer does not say where its body ends.",
        "Have the server send Content-Length, or chunks: an answer that is cut looks the same.",
    ),
    "http.no_memory": (
        "The heap is too full for the answer.",
        "Read it in pieces, or save it to a file.",
    ),
    "http.redirect": (
        "The server sends the device to a host that its trust state does not name.",
        "Add the host to a service of the state, or ask the server that has the answer.",
    ),
    "http.redirects": (
        "The server redirects again and again.",
        "Ask for the place where the answer is.",
    ),
    "http.timeout": (
        "The answer did not come in time.",
        "Check the network and the server, or give the call more timeout_s.",
    ),
    "http.too_large": (
        "The answer is larger than its limit.",
        "Raise the call's limit, or save the body to a file; a head has a limit of its own.",
    ),
    "http.truncated": (
        "The connection ended before the answer did.",
        "Try again.",
    ),
    "http.url": (
        "This is no URL that can be asked for.",
        "Use https://host[:port]/path in ASCII, without a user name.",
    ),
    "name.mismatch": (
        "The certificate is for other hosts than the one asked for.",
        "Check the host name; if it is right, this is another server or a certificate without it.",
    ),
    "name.missing": (
        "No host was asked for, and this service needs one.",
        "Give connect() or wrap_socket() the host name.",
    ),
    "name.no_san": (
        "The certificate has no subject alternative name; its common name does not count.",
        "Have it issued with one: `openssl req -addext subjectAltName=DNS:HOST`, or IP:ADDRESS.",
    ),
    "name.reference": (
        "The host asked for is neither a DNS name in A-labels nor an IP address.",
        "Use a name like broker.example.net, 192.0.2.1 or 2001:db8::1, without a port.",
    ),
    "net.dns": (
        "The host name does not resolve.",
        "Check the name and the network.",
    ),
    "net.lost": (
        "The network connection was lost.",
        "Try again.",
    ),
    "net.timeout": (
        "The server did not answer the TCP connect in time.",
        "Check the address, the port and the network.",
    ),
    "net.unreachable": (
        "The server cannot be reached.",
        "Check the address, the port and whether the server runs.",
    ),
    "path.bad_signature": (
        "A certificate is not signed by the key that is said to have issued it.",
        "Treat the chain as forged: somebody answers for this server who is not it.",
    ),
    "path.critical": (
        "A certificate has a critical extension that is not understood.",
        "Use a certificate without it.",
    ),
    "path.expired": (
        "A certificate has expired.",
        "Renew the server's certificate (keep the key and the pin stays good); check the clock.",
    ),
    "path.key_denied": (
        "A key of this chain is on the deny list.",
        "Give the server a new key: this one is known to be stolen or retired.",
    ),
    "path.key_usage": (
        "A keyUsage forbids the part: issuers sign certificates, end entities sign handshakes.",
        "Have a server's certificate issued with digitalSignature and no keyCertSign (detail 0).",
    ),
    "path.no_certificate": (
        "The server sent no certificate.",
        "Check the server's configuration.",
    ),
    "path.no_issuer": (
        "No certificate that was sent, preloaded or anchored has issued this one.",
        "Send the missing intermediate, preload it, or add the anchor to the trust state.",
    ),
    "path.not_ca": (
        "A certificate that issued another is no CA.",
        "Treat the chain as forged.",
    ),
    "path.not_yet_valid": (
        "A certificate is not valid yet.",
        "Check the device's clock, then the certificate's dates.",
    ),
    "path.path_len": (
        "There are more CAs below one than it allows (pathLenConstraint).",
        "Use another chain.",
    ),
    "path.purpose": (
        "A certificate is not for this purpose (extended key usage).",
        "Use a certificate for server authentication, or client authentication for clients.",
    ),
    "path.too_deep": (
        "The path is longer than a device follows.",
        "Use a shorter chain, or anchor an intermediate.",
    ),
    "path.too_long": (
        "The path has more intermediates than the program allows.",
        "Use a shorter chain, or allow more.",
    ),
    "path.too_many_certificates": (
        "There are more certificates than a device searches.",
        "Send fewer.",
    ),
    "path.too_many_signatures": (
        "Finding a path would take more signatures than a device checks.",
        "Send fewer alternative certificates.",
    ),
    "path.too_many_steps": (
        "Finding a path would take more steps than a device goes.",
        "Send fewer alternative certificates.",
    ),
    "pin.digest": (
        "A pin is not a SHA-256: 64 hexadecimal digits, base64 of 32 bytes, or 32 bytes.",
        "Print it with `trustanchor pin`.",
    ),
    "pin.duplicate": (
        "A key is pinned twice.",
        "Pin two different keys: the second is for the day the first is lost.",
    ),
    "pin.expired": (
        "The matching pins' windows have ended.",
        "Install a trust state with new pins.",
    ),
    "pin.hold": (
        "A pin set's hold-down is longer than its maximum, or has none.",
        "Correct hold and hold_max.",
    ),
    "pin.none_matched": (
        "The server's key is none of the pinned ones.",
        "This is another server, or it has a new key: compare with `trustanchor pin`.",
    ),
    "pin.not_yet_valid": (
        "The server's key is pinned, from a later date on.",
        "Check the device's clock, then the pin's window.",
    ),
    "pin.on_expiry": (
        "A pin set has no valid answer to what happens when its pins expire.",
        "Say refuse or anchors.",
    ),
    "pin.ratchet": (
        "A pin set has no valid answer to which pin retires those before it.",
        "Say backup, ordered or never.",
    ),
    "pin.retired": (
        "The server's key was retired: the backup has taken its place.",
        "Give the server its backup key, or publish a state with new keys.",
    ),
    "pin.too_few": (
        "A pin set has fewer than two pins of different keys.",
        "Add a backup pin: make its key with `trustanchor init` or `trustanchor keygen`.",
    ),
    "pin.window": (
        "A pin's window ends before it begins.",
        "Correct its dates.",
    ),
    "service.ambiguous": (
        "Two services answer for the same host, and no known port tells them apart.",
        "Change the hosts or the port of one; in a program, say service=... to the Context.",
    ),
    "service.audit_key": (
        "A service has mode key and audit, which would accept anybody.",
        "Enforce it, or use mode path.",
    ),
    "service.expiry_key": (
        "A service of mode key has a pin set that falls back to anchors.",
        "Let its pins refuse on expiry, or use mode path.",
    ),
    "service.host": (
        "The host is not among this service's.",
        "Check the name, or add the host to the service.",
    ),
    "service.mode": (
        "A service has a mode that does not exist.",
        "Say path, anchors or key.",
    ),
    "service.no_anchor": (
        "A service needs anchors and the state has none for its purpose.",
        "Add an anchor, or use mode key.",
    ),
    "service.no_hosts": (
        "A service or an anchor has an empty list of hosts.",
        "Name its hosts.",
    ),
    "service.pattern": (
        "A host pattern is neither a host name, *.name, nor an IP address.",
        "Correct the pattern.",
    ),
    "service.peer_name": (
        "A service for clients has no pattern for the names of its peers.",
        "Give it one: it is what tells one peer from another.",
    ),
    "service.pin_set": (
        "A service names a pin set that the state does not define, or none.",
        "Correct the name.",
    ),
    "service.pins_unused": (
        "A service of mode anchors names a pin set.",
        "Remove it, or use mode path.",
    ),
    "service.port": (
        "The port is not this service's.",
        "Connect to the service's port, or choose the service that has this one.",
    ),
    "service.purpose": (
        "A service is for neither servers nor clients.",
        "Say server_auth or client_auth.",
    ),
    "service.unknown": (
        "No service of the trust state answers for this host and port.",
        "Add the host to a service.",
    ),
    "sig.algorithm_malformed": (
        "A signature algorithm's parameters are malformed.",
        "Have the certificate issued again.",
    ),
    "sig.key_malformed": (
        "A public key is malformed, or not a point on its curve.",
        "Treat the certificate as hostile or damaged.",
    ),
    "sig.key_size": (
        "A public key is smaller or larger than is accepted.",
        "Use RSA of 2048 to 8192 bits, or an elliptic curve.",
    ),
    "sig.private_key": (
        "What was given to sign with is no P-256 private key in PEM or DER without a passphrase.",
        "Give the file that load_cert_chain takes; RSA and other curves cannot sign a status.",
    ),
    "sig.unsupported": (
        "A signature algorithm is not implemented, or no longer safe (SHA-1, MD5).",
        "Use RSA or ECDSA with SHA-256, SHA-384 or SHA-512.",
    ),
    "state.denied": (
        "The deny list is not made of whole hashes, or too long.",
        "Correct it.",
    ),
    "state.duplicate": (
        "Two services or two pin sets have the same name.",
        "Rename one.",
    ),
    "state.retired_overflow": (
        "The state's pins could retire more keys than a device remembers.",
        "Use fewer pins.",
    ),
    "store.body_changed": (
        "A stored trust state was changed after it was written.",
        "The flash is worn or tampered with: update or provision the board again.",
    ),
    "store.busy": (
        "Another update is being decided.",
        "Try again when it is done.",
    ),
    "store.cache_failed": (
        "The path cache could not be written; trust is not touched.",
        "Look at the free space of the board's file system.",
    ),
    "store.copy_damaged": (
        "One of the two copies of the trust record is damaged; the other is good.",
        "It is repaired by the next write; if this comes back, the flash is worn.",
    ),
    "store.copy_old": (
        "One of the two copies of the trust record is older than the other.",
        "Normal after a power cut; the newer one counts.",
    ),
    "store.fell_back": (
        "The active trust state could not be read; the one before it is in use.",
        "Install the current bundle again.",
    ),
    "store.filesystem": (
        "The board's file system is not LittleFS, and FAT does not survive a power cut.",
        "Format it: os.VfsLfs2.mkfs.",
    ),
    "store.lost": (
        "Trust was stored once and cannot be read any more; no connections are made.",
        "Install a bundle of the same authority, or erase and provision on the cable.",
    ),
    "store.no_memory": (
        "There was too little memory to decide over the update.",
        "Install it after a restart, before connections are made, or run the package from ROM.",
    ),
    "store.no_space": (
        "The board's file system is full.",
        "Remove files: two bundles and 16 KB are needed.",
    ),
    "store.no_stage": (
        "There is no staged bundle to install.",
        "Copy the bundle onto the board again.",
    ),
    "store.not_loaded": (
        "The store has not been loaded.",
        "Call store.load() once at the start, before the first connection.",
    ),
    "store.provisioned": (
        "The board has trust already; a first state installs only where there is none.",
        "Update it with a signed bundle, or erase on the cable.",
    ),
    "store.record_damaged": (
        "A copy of the trust record is damaged.",
        "The other copy is used; if both are, provision the board again.",
    ),
    "store.slot_damaged": (
        "A stored bundle is damaged.",
        "Install the current bundle again.",
    ),
    "store.slot_taken": (
        "The bundle would overwrite a stored one: the first 8 bytes of their digests are equal.",
        "This does not happen by chance: find out who signed it, and build it anew.",
    ),
    "store.unprovisioned": (
        "The board has no trust yet; no connections are made.",
        "Provision it on the cable.",
    ),
    "store.write_failed": (
        "Trust could not be written to flash; what is in memory still holds.",
        "Look at the flash and the free space before the next restart.",
    ),
    "time.issued_in_future": (
        "The bundle was issued later than this device can believe.",
        "Check the clock of the device and of whoever made the bundle.",
    ),
    "time.state_too_old": (
        "The trust state is older than this service allows.",
        "Install the current bundle.",
    ),
    "time.unknown": (
        "This service needs a known clock and the device's is not set.",
        "Set it: `mpremote rtc --set`, or SNTP.",
    ),
    "time.unverified": (
        "Pins expired, and falling back to anchors needs a clock from a verified source.",
        "Set the clock over the cable or an accepted connection, or install new pins.",
    ),
    "tls.alert": (
        "The server ended the handshake with a TLS alert.",
        "Look at the server's log; the number is the alert of RFC 8446 section 6.",
    ),
    "tls.chain_hidden": (
        "The server's certificates could not be seen (resumed session, PSK or TLS 1.3).",
        "Let the server do full handshakes with certificates.",
    ),
    "tls.chain_too_large": (
        "The server sent more certificates or bytes than a device takes.",
        "Let it send the leaf and its intermediates alone.",
    ),
    "tls.chain_unreadable": (
        "TLS itself could not read a certificate of the server, whatever a verdict says of it.",
        "Look at the chain with `trustanchor pin HOST:PORT`: unknown critical extensions and "
        "Ed25519 or Ed448 keys are the usual cause.",
    ),
    "tls.closed": (
        "The server closed the connection in the middle of the handshake.",
        "Look at the server's log; try again.",
    ),
    "tls.failed": (
        "TLS failed after the server had been judged.",
        "The number is mbedTLS's error code; look at the server's log.",
    ),
    "tls.leaf_mismatch": (
        "The certificate that was judged is not the one TLS has used.",
        "Somebody changes the traffic on the way.",
    ),
    "tls.malformed": (
        "The server's handshake breaks the TLS format.",
        "Check that this port speaks TLS; somebody may change the traffic on the way.",
    ),
    "tls.no_memory": (
        "There was too little memory to record the server's certificates.",
        "Free memory before connecting, or let the server send fewer certificates.",
    ),
    "tls.plain_text": (
        "The server does not speak TLS on this port.",
        "Check the port.",
    ),
    "tls.proof": (
        "The server could not prove that it holds the key of its certificate.",
        "Somebody shows another's certificate; or the server's key and certificate do not match.",
    ),
    "tls.proof_unsupported": (
        "The server proves its key in a way that this firmware offers and cannot read: RSA-PSS in "
        "TLS 1.2.",
        "Let the server use an ECDSA key, TLS 1.3, or RSA with PKCS #1 signatures only.",
    ),
    "tls.timeout": (
        "The handshake did not end in time.",
        "Check the network and the server; nothing was sent.",
    ),
    "tls.version": (
        "The server chose a TLS version that is not accepted.",
        "Let it speak TLS 1.2 or 1.3.",
    ),
    "trial.crashed": (
        "The new trust state was loaded as often as it may be without judging anything.",
        "The board went back to the state before; look why it restarted.",
    ),
    "trial.stalled": (
        "A trial is past its deadline: no probe has confirmed it, and none speaks against it.",
        "Let the board reach its probes, or install another bundle.",
    ),
    "update.audience": (
        "The bundle is for other products or devices.",
        "Send the bundle that was made for this one.",
    ),
    "update.authority_unknown": (
        "The bundle's signers are not ones this device knows.",
        "Send it a bundle with the links from its signers to these.",
    ),
    "update.current": (
        "The bundle is the one that is active, and its stored copy is whole.",
        "Nothing needs to be done.",
    ),
    "update.epoch_gap": (
        "The bundle skips an epoch that this device has not seen.",
        "Send the bundle with every rescue link since.",
    ),
    "update.epoch_old": (
        "The bundle is from before a rescue.",
        "Send the current bundle; if somebody else sent this one, it is a replay.",
    ),
    "update.expired": (
        "The bundle may no longer be installed.",
        "Send a newer one.",
    ),
    "update.first_is_rescue": (
        "A first state cannot be a rescue.",
        "Provision with an ordinary state.",
    ),
    "update.link_forked": (
        "A signer change disagrees with the one this device has walked.",
        "Two authorities claim one place: a signer may be stolen. Use the backup authority.",
    ),
    "update.link_order": (
        "The signer changes are not in order.",
        "Build the bundle again.",
    ),
    "update.retired_full": (
        "The state could retire more keys than the device has room for.",
        "Publish a state of a higher epoch, or use fewer pins.",
    ),
    "update.revert_rule": (
        "A state that takes trust away must not be revertible.",
        "Say revert = never, or sign the override.",
    ),
    "update.rollback": (
        "The bundle is older than the one this device has, or as old and different.",
        "Send the current bundle; if somebody else sent this one, it is a replay.",
    ),
    "update.threshold": (
        "Too few of the authority's signers have signed.",
        "Collect the missing signatures.",
    ),
}


def explain(code: str) -> str:
    """Return what happened and what to do, as text for people."""
    if code not in REASONS:
        return "This version has no explanation for this code."
    what, todo = REASONS[code]
    return f"{what} {todo}"
