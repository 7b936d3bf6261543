{{/*
Names and labels are made here and nowhere else.

The selector labels are part of the Deployment's identity: they never change between versions of the chart,
so neither the version nor the chart's name is among them.
*/}}

{{/* The name of everything the operator owns: the release's, with the chart's name in it once. */}}
{{- define "timbre.fullname" -}}
{{- $base := ternary .Release.Name (printf "%s-timbre" .Release.Name) (contains "timbre" .Release.Name) -}}
{{- printf "%s-operator" ($base | trunc 45 | trimSuffix "-") -}}
{{- end -}}

{{/* For objects that belong to no namespace: two releases of one name must not share them. */}}
{{- define "timbre.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "timbre.fullname" .) -}}
{{- end -}}

{{- define "timbre.selectorLabels" -}}
app.kubernetes.io/name: timbre-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "timbre.labels" -}}
{{ include "timbre.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: timbre
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "timbre.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "timbre.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* One image reference: a digest wins over a tag, and the tag is the chart's appVersion unless given.
     Takes a dict with `image` and `root`. */}}
{{- define "timbre.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
