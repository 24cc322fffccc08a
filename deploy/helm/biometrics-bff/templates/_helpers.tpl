{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- define "bff.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "bff.fullname" -}}
{{- $name := include "bff.name" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "bff.serviceAccountName" -}}
{{ if .Values.serviceAccount.create }}{{ default (include "bff.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- /* Everything of this release, also the pod of `helm test`. */ -}}
{{- define "bff.instanceLabels" -}}
app.kubernetes.io/name: {{ include "bff.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* The pods that serve. */ -}}
{{- define "bff.selectorLabels" -}}
{{ include "bff.instanceLabels" . }}
app.kubernetes.io/component: service
{{- end }}

{{- define "bff.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: biometrics-bff
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "bff.labels" -}}
{{ include "bff.selectorLabels" . }}
{{ include "bff.commonLabels" . }}
{{- end }}

{{- define "bff.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end }}

{{- define "bff.replicasMax" -}}
{{ if .Values.autoscaling.enabled }}{{ .Values.autoscaling.maxReplicas }}{{ else }}{{ .Values.replicaCount }}{{ end }}
{{- end }}

{{- /* Our share of the vendor's limit. A single call a second is little, and 0 would mean no limit. */ -}}
{{- define "bff.callsPerSecond" -}}
{{- $limit := int .Values.vendorCallsPerSecond -}}
{{- $replicas := int (include "bff.replicasMax" .) -}}
{{- if eq $limit 0 }}0
{{- else if lt $limit $replicas }}{{ fail (printf "vendorCallsPerSecond is %d: too little for %d replicas" $limit $replicas) }}
{{- else }}{{ div $limit (max 1 $replicas) }}{{ end }}
{{- end }}

{{- /* Whole CPUs of a quantity ("250m", "2", 1.5), rounded up. */ -}}
{{- define "bff.cpus" -}}
{{- $text := toString . -}}
{{- if hasSuffix "m" $text }}{{ ceil (divf (trimSuffix "m" $text | float64) 1000) }}{{ else }}{{ ceil (float64 $text) }}{{ end }}
{{- end }}

{{- /* With a CPU limit the service reads it from its cgroup; without, it would take all CPUs of the node. */ -}}
{{- define "bff.workers" -}}
{{- $limits := default dict .Values.resources.limits -}}
{{- $requests := default dict .Values.resources.requests -}}
{{- if .Values.workers }}{{ .Values.workers }}
{{- else if $limits.cpu }}0
{{- else }}{{ include "bff.cpus" (default 1 $requests.cpu) }}{{ end }}
{{- end }}

{{- define "bff.secretDirectory" -}}/run/secrets/biometrics-bff{{- end }}

{{- /* What the chart works out, as a map. Whoever sets one of these in `config` is told where it belongs. */ -}}
{{- define "bff.ownConfig" -}}
BFF_LISTEN: {{ printf "%s:8080" .Values.listenAddress | quote }}
BFF_MANAGEMENT_LISTEN: {{ printf "%s:9464" .Values.listenAddress | quote }}
{{- if .Values.operator.enabled }}
BFF_OPERATOR_LISTEN: {{ printf "%s:%d" .Values.listenAddress (int .Values.operator.port) | quote }}
{{- end }}
BFF_WORKERS: {{ include "bff.workers" . | quote }}
BFF_UPSTREAM_MAX_PER_SECOND: {{ include "bff.callsPerSecond" . | quote }}
BFF_LOG_FORMAT: json
{{- range $key, $in := .Values.secretKeys }}{{ if $in }}
{{ $key }}: {{ printf "%s/%s" (include "bff.secretDirectory" $) $in }}
{{- end }}{{ end }}
{{- end }}

{{- /* In the environment, which wins over the file and belongs to one pod, as its grace period does: in the shared
file a longer drain would reach pods whose grace period is the old one, and they would be killed in it. */ -}}
{{- define "bff.drain" -}}
BFF_DRAIN_DELAY_S: {{ .Values.drain.delaySeconds }}
BFF_DRAIN_TIMEOUT_S: {{ .Values.drain.timeoutSeconds }}
{{- end }}

{{- /* A number of YAML is a float here, and large ones would be written with an exponent. */ -}}
{{- define "bff.value" -}}
{{ if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "bff.configText" -}}
{{- $all := merge (include "bff.ownConfig" . | fromYaml) .Values.config -}}
{{- range $key := keys $all | sortAlpha }}{{ $value := get $all $key }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{ $key }}={{ include "bff.value" $value }}
{{- end }}{{ end }}
{{- end }}

{{- /* The lines that a running service cannot take up: docs/config.md marks them `restart`. */ -}}
{{- define "bff.restartText" -}}
{{- range $line := splitList "\n" (include "bff.configText" .) }}
{{- if has (first (splitList "=" $line)) (list
    "BFF_LISTEN" "BFF_MANAGEMENT_LISTEN" "BFF_OPERATOR_LISTEN" "BFF_WORKERS" "BFF_REGION" "BFF_UPSTREAM_URL"
    "BFF_TOKEN_URL" "BFF_JWKS_URL" "BFF_ISSUERS" "BFF_UPSTREAM_HTTP2" "BFF_ALLOW_INSECURE_UPSTREAM"
    "BFF_TOKEN_MEMORY_MAX" "BFF_USED_CHALLENGES_MAX" "BFF_DNS_REFRESH_S" "BFF_DNS_STALE_MAX_S" "BFF_MAX_HEADER_BYTES"
    "BFF_MAX_CONNECTIONS" "BFF_MEMORY_MAX_BYTES" "BFF_LIMIT_ENTRIES_MAX" "BFF_UPSTREAM_MAX_CONNECTIONS"
    "BFF_LOG_FORMAT") }}
{{ $line }}
{{- end }}{{ end }}
{{- end }}

{{- /* (context, key): where a file is, from existingSecret or from elsewhere (a vault's agent, a CSI volume); or nothing. */ -}}
{{- define "bff.file" -}}
{{- $values := (first .).Values -}}
{{ default (default "" (get $values.config (last .))) (get $values.secretKeys (last .)) }}
{{- end }}

{{- /* Mistakes that would show in production only. */ -}}
{{- define "bff.validate" -}}
{{- if and (include "bff.secretItems" . | fromYamlArray) (not .Values.existingSecret) }}
{{- fail "existingSecret: name the Secret that has what secretKeys names, or empty secretKeys" }}{{ end }}
{{- if and (gt (int (include "bff.replicasMax" .)) 1) (not (include "bff.file" (list . "BFF_SEAL_KEYS_FILE"))) }}
{{- fail "more than one replica needs sealing keys, or challenges fail at random: set secretKeys.BFF_SEAL_KEYS_FILE, or that of config" }}{{ end }}
{{- if and .Values.operator.enabled (not (include "bff.file" (list . "BFF_OPERATOR_KEYS_FILE"))) }}
{{- fail "operator.enabled needs secretKeys.BFF_OPERATOR_KEYS_FILE, or that of config" }}{{ end }}
{{- $own := merge (include "bff.ownConfig" . | fromYaml) (include "bff.drain" . | fromYaml) }}
{{- range $key := keys .Values.config }}{{ if hasKey $own $key }}
{{- fail (printf "config.%s is set by the chart (secretKeys, drain, operator, workers, vendorCallsPerSecond)" $key) }}{{ end }}{{ end }}
{{- range .Values.extraEnv }}{{ if or (hasKey $own .name) (eq .name "BFF_CONFIG") }}
{{- fail (printf "extraEnv: %s is set by the chart (secretKeys, drain, operator, workers, vendorCallsPerSecond)" .name) }}{{ end }}{{ end }}
{{- range .Values.extraArgs }}
{{- $key := first (splitList "=" .) | trimPrefix "--" | upper | replace "-" "_" | printf "BFF_%s" }}
{{- if or (hasKey $own $key) (eq $key "BFF_CONFIG") }}
{{- fail (printf "extraArgs: %s is set by the chart (secretKeys, drain, operator, workers, vendorCallsPerSecond)" .) }}{{ end }}{{ end }}
{{- range $key := list "BFF_CLIENT_SECRET" "BFF_ADMIN_CLIENT_SECRET" }}{{ if hasKey $.Values.config $key }}
{{- fail (printf "config.%s would be readable in a ConfigMap: put it into the Secret" $key) }}{{ end }}{{ end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.egressTo) }}
{{- fail "networkPolicy.egressTo is empty, which would open egressPort to every address: name the vendor's, or those of your proxy" }}{{ end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is larger than maxReplicas" }}{{ end }}
{{- end }}

{{- /* What the pods of the service and of the test have in common, but for affinity and containers. */ -}}
{{- define "bff.podSpec" -}}
serviceAccountName: {{ include "bff.serviceAccountName" . | quote }}
automountServiceAccountToken: false
# The environment of a Service whose name begins with "bff" would be read as settings.
enableServiceLinks: false
{{- range $key := list "imagePullSecrets" "priorityClassName" "hostAliases" "dnsPolicy" "dnsConfig" "nodeSelector" "tolerations" }}
{{- with get $.Values $key }}
{{ dict $key . | toYaml }}
{{- end }}{{ end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "bff.fullname" . | quote }}
  {{- with include "bff.secretItems" . | fromYamlArray }}
  - name: secrets
    secret:
      secretName: {{ $.Values.existingSecret | quote }}
      defaultMode: 0440
      items:
        {{- range $in := . }}
        - key: {{ $in | quote }}
          path: {{ $in | quote }}
        {{- end }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* The keys of existingSecret that are mounted. */ -}}
{{- define "bff.secretItems" -}}
{{ values .Values.secretKeys | compact | uniq | sortAlpha | toYaml }}
{{- end }}

{{- /* (context, command): the image, run with a command of the service. */ -}}
{{- define "bff.container" -}}
{{- $command := last . -}}
{{- with first . -}}
image: {{ include "bff.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - {{ $command }}
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: BFF_CONFIG
    value: /etc/biometrics-bff/bff.conf
  {{- range $key, $value := include "bff.drain" . | fromYaml }}
  - name: {{ $key }}
    value: {{ $value | quote }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/biometrics-bff
    readOnly: true
  {{- if include "bff.secretItems" . | fromYamlArray }}
  - name: secrets
    mountPath: {{ include "bff.secretDirectory" . }}
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}
{{- end }}

{{- /* A map of values with `port` and `path` filled in. */ -}}
{{- define "bff.probe" -}}
{{- $probe := deepCopy .probe }}
{{- if not (or $probe.httpGet $probe.tcpSocket $probe.exec) }}
{{- $_ := set $probe "httpGet" (dict "path" .path "port" "management") }}{{ end }}
{{- toYaml $probe }}
{{- end }}
