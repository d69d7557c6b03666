"""The problems of the identity capability. Codes leave the process: spelled for ever. Pure."""

from typing import Final

from gateway.model.problem import Problem, Severity

CERTIFICATE_EXPIRES_SOON: Final = Problem(
    code="certificate-expires-soon",
    severity=Severity.WARNING,
    title="A certificate of this site expires soon",
    cause="After the date below, devices and gateway can no longer connect with it.",
    action=(
        "For the server certificate: restart the gateway, which renews it at start. "
        "For a device: give it a new certificate before that date (docs/identity.md). "
        "For the site CA: plan its replacement with every device."
    ),
)

RECOVERY_KEY_ON_SITE: Final = Problem(
    code="recovery-key-on-site",
    severity=Severity.WARNING,
    title="The recovery key still lies on this machine",
    cause=(
        "Whoever takes this machine or its disk can open its backups and the site CA's key "
        "with it. Where the machine breaks, the key is lost with what it should recover."
    ),
    action=(
        "Move recovery-key.private.pem to the company's safe (an offline medium, two copies), "
        "then delete it here."
    ),
)

CLOCK_DOUBTFUL: Final = Problem(
    code="clock-doubtful",
    severity=Severity.WARNING,
    title="The clock of this gateway is probably wrong",
    cause=(
        "It is far from the time that the site has counted itself, and nobody has confirmed it. "
        "Retention and queues go by the site's own time, which is safe. Certificates may be "
        "refused, and what leaves bears the site's own time."
    ),
    action=(
        "Platform team: set the clock ('timedatectl', or the battery of the machine). If it is "
        "right, because the gateway was off for long, say so: site-gateway clock confirm. The "
        "cloud's answers confirm it by themselves when the connection is back."
    ),
)

KEK_ON_DISK: Final = Problem(
    code="queue-key-in-a-file",
    severity=Severity.NOTICE,
    title="The key of the queue lies in a file of this machine",
    cause=(
        "What waits in the queue is encrypted, and the key lies in a file that only this user "
        "reads. Whoever takes the whole disk takes both."
    ),
    action=(
        "Keep the machine locked up, or its disk encrypted. A later release seals the key to "
        "the machine's TPM."
    ),
)

RESTORE_UNCONFIRMED: Final = Problem(
    code="restore-unconfirmed",
    severity=Severity.WARNING,
    title="This site was restored from a backup, and nobody has confirmed it",
    cause=(
        "What changed after the backup is not known here: devices that were added, revoked or "
        "cut off, and messages that were receipted. Until it is confirmed no device is added."
    ),
    action=(
        "Compare the devices with the company's records, cut off again what was cut off after "
        "the backup, then: site-gateway backup confirm (docs/backup.md)."
    ),
)

PROBLEMS: Final = (
    CLOCK_DOUBTFUL,
    CERTIFICATE_EXPIRES_SOON,
    RECOVERY_KEY_ON_SITE,
    KEK_ON_DISK,
    RESTORE_UNCONFIRMED,
)
