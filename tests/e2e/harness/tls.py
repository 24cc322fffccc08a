# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of our own, for upstreams made in Python."""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject, issuer, public_key, not_after, not_before=None):
    not_before = not_before or datetime.datetime.utcnow() - 2 * _DAY
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(public_key).serial_number(x509.random_serial_number())
            .not_valid_before(not_before).not_valid_after(not_after))


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Authority:
    """Writes its certificate into directory/NAME.pem and issues server certificates."""

    def __init__(self, directory, name="test-ca", issuer=None):
        """issuer: the authority above this one; None: it is a root."""
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        above = issuer or self
        certificate = (_builder(self._name, above._name, self._key.public_key(),
                                datetime.datetime.utcnow() + 30 * _DAY)
                       .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                       .sign(above._key, hashes.SHA256()))
        self.ca_file = directory / f"{name}.pem"
        self.ca_file.write_bytes(_pem(certificate))

    def issue(self, host="127.0.0.1", expired=False, not_yet=False, self_signed=False, chain=(), days=30):
        """(certificate file, key file) for a host name or address. chain: authorities whose certificates
        go into the file, too. days: of its life that are left."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            names = [x509.IPAddress(ipaddress.ip_address(host))]
        except ValueError:
            names = [x509.DNSName(host)]
        now = datetime.datetime.utcnow()
        signing_key, signer = (key, _name(host)) if self_signed else (self._key, self._name)
        certificate = (_builder(_name(host), signer, key.public_key(), now + (-1 if expired else days) * _DAY,
                                now + _DAY if not_yet else None)
                       .add_extension(x509.SubjectAlternativeName(names), critical=False)
                       .sign(signing_key, hashes.SHA256()))
        certificate_file = self.directory / f"{host}-{certificate.serial_number}.pem"
        key_file = self.directory / f"{host}-{certificate.serial_number}.key"
        certificate_file.write_bytes(
            _pem(certificate) + b"".join(authority.ca_file.read_bytes() for authority in chain))
        key_file.write_bytes(_key_pem(key))
        return certificate_file, key_file


class ClientAuthority(Authority):
    def certificate(self, name="our-service", key=None, days=30):
        """A TLS client's (certificate, key); days: of its life that are left."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        made = (_builder(_name(name), self._name, key.public_key(), now + days * _DAY, now - 60 * _DAY)
                .sign(self._key, hashes.SHA256()))
        return made, key


def write_client_pair(directory, made, key):
    (directory / "client.pem").write_bytes(_pem(made))
    (directory / "client.key").write_bytes(_key_pem(key))
