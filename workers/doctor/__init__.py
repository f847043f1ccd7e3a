"""The doctor: compares files, index and Codex's own database, names every drift, and repairs what is ours when told."""

from workers.doctor.examination import Diagnosis, Examined, Patient, do_doctor
from workers.doctor.finding import Finding

__all__ = ["Diagnosis", "Examined", "Finding", "Patient", "do_doctor"]
