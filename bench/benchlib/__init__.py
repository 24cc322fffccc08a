# SPDX-License-Identifier: Apache-2.0
"""What bench/run stands on: the machine, the processes, the upstream, the subjects, the load, the report."""
