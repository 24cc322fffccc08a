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


def _builder(subject, issuer, public_key, not_after):
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(public_key).serial_number(x509.random_serial_number())
            .not_valid_before(datetime.datetime.utcnow() - 2 * _DAY).not_valid_after(not_after))


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Authority:
    """Writes its certificate into directory/NAME.pem and issues server certificates."""

    def __init__(self, directory, name="test-ca"):
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        certificate = (_builder(self._name, self._name, self._key.public_key(),
                                datetime.datetime.utcnow() + 30 * _DAY)
                       .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                       .sign(self._key, hashes.SHA256()))
        self.ca_file = directory / f"{name}.pem"
        self.ca_file.write_bytes(_pem(certificate))

    def issue(self, host="127.0.0.1", expired=False):
        """(certificate file, key file) for a host name or address."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            names = [x509.IPAddress(ipaddress.ip_address(host))]
        except ValueError:
            names = [x509.DNSName(host)]
        end = datetime.datetime.utcnow() + (-_DAY if expired else 30 * _DAY)
        certificate = (_builder(_name(host), self._name, key.public_key(), end)
                       .add_extension(x509.SubjectAlternativeName(names), critical=False)
                       .sign(self._key, hashes.SHA256()))
        certificate_file = self.directory / f"{host}-{certificate.serial_number}.pem"
        key_file = self.directory / f"{host}-{certificate.serial_number}.key"
        certificate_file.write_bytes(_pem(certificate))
        key_file.write_bytes(_key_pem(key))
        return certificate_file, key_file
